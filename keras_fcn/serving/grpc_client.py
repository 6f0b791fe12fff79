"""Client of TensorFlow Serving's gRPC API: image files in, label map PNGs out."""

import re
from collections.abc import Sequence

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from keras_fcn.errors import one_line
from keras_fcn.serving.errors import (
    ServerError,
    ServerUnavailable,
    server_error,
    shorten,
    wrong_signature,
)
from keras_fcn.serving.responses import LABELS, max_response_bytes, signature_of

_URL = re.compile(
    r"grpc://(?P<target>[^/\s]+:\d+)/(?P<name>[^/:\s]+)"
    r"(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:\s]+))?/?"
)
_NO_SERVER = re.compile("failed to connect|errors resolving|DNS resolution")


class GrpcClient:
    """Sends images to a model by PredictionService, without encryption.

    Args:
        url: `grpc://HOST:8500/NAME`, optionally followed by `/versions/N` or
            `/labels/NAME`.
        timeout: seconds from a request to its response.
        outputs: names of the outputs requested for each image.

    Raises:
        ValueError: if `url` has another form.
    """

    def __init__(self, url: str, timeout: float, outputs: Sequence[str] = LABELS):
        self.address, self.timeout, self.outputs = url, timeout, outputs
        found = _URL.fullmatch(url)
        if not found:
            raise ValueError(
                "`server` must be grpc://HOST:8500/NAME or "
                f"http://HOST:8501/v1/models/NAME. Received: {url}"
            )
        self._request = PredictRequest(output_filter=outputs)
        self._request.model_spec.signature_name = signature_of(outputs)
        self._request.model_spec.name = found["name"]
        if found["version"]:
            self._request.model_spec.version.value = int(found["version"])
        if found["label"]:
            self._request.model_spec.version_label = found["label"]
        self._target, self._max_bytes = found["target"], 0
        self._channel: grpc.Channel | None = None

    def __call__(self, images: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        """Send one request.

        Args:
            images: PNG or JPEG files, at least one.

        Returns:
            The `outputs` of each image: a PNG of class ids, and one of confidence.

        Raises:
            ServerError: if the request fails; see `keras_fcn.serving.errors`.
        """
        request = PredictRequest()
        request.CopyFrom(self._request)
        tensor = request.inputs["image_bytes"]
        tensor.dtype = tf.string.as_datatype_enum
        tensor.tensor_shape.dim.add(size=len(images))
        tensor.string_val.extend(images)
        # Not the generated stub: for a response that is no message gRPC would log a
        # traceback. Without a deserializer the response arrives as bytes.
        channel = self._open_channel(max_response_bytes(images, len(self.outputs)))
        predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=PredictRequest.SerializeToString,
        )
        try:
            response = PredictResponse.FromString(
                predict(request, timeout=self.timeout)
            )
        except grpc.RpcError as error:
            raise self._error(error) from error
        except DecodeError as error:
            raise ServerError(
                f"{self.address} did not answer as TensorFlow Serving "
                f"({one_line(error)})"
            ) from error
        if not set(self.outputs) <= set(response.outputs):
            raise wrong_signature(", ".join(sorted(response.outputs)), self.address)
        columns = [response.outputs[name].string_val for name in self.outputs]
        return list(zip(*columns, strict=False))  # the caller compares the counts

    def _open_channel(self, max_bytes):
        """A channel that takes responses of at least `max_bytes`.

        The limit of a channel cannot be changed: a larger one needs a new channel.
        """
        if self._channel is None or max_bytes > self._max_bytes:
            if self._channel is not None:
                self._channel.close()
            self._max_bytes = max_bytes
            options = {
                "grpc.max_send_message_length": -1,  # unlimited; the server's is 2 GiB
                "grpc.max_receive_message_length": max_bytes,
                # A small compressed message may be of any size in memory.
                "grpc.per_message_decompression": 0,
                # Reconnect at each retry; by default after 1, 2.6, ... seconds.
                "grpc.initial_reconnect_backoff_ms": 100,
                "grpc.max_reconnect_backoff_ms": 200,
            }
            self._channel = grpc.insecure_channel(self._target, list(options.items()))
        return self._channel

    def _error(self, error):
        code, details = error.code().name, error.details() or ""
        if code == "UNIMPLEMENTED":
            return ServerError(
                f"{self.address} is a gRPC server, but not TensorFlow Serving "
                f"({shorten(details)})"
            )
        if code == "UNAVAILABLE" and _NO_SERVER.search(details):
            return ServerUnavailable(
                f"There is no server at {self.address} ({shorten(details)})"
            )
        if code == "RESOURCE_EXHAUSTED" and "CLIENT:" in details:
            return ServerError(
                f"the response of {self.address} has more than {self._max_bytes} "
                "bytes, more than the label maps of these images can have"
            )
        if code == "DEADLINE_EXCEEDED":
            details = f"waited {self.timeout:g} s"
        return server_error(code, details, self.address)
