"""TensorFlow Serving's gRPC API: encoded images there, encoded label maps back."""

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
from keras_fcn.serving.responses import LABELS, most_answer_bytes, signature_of

_URL = re.compile(
    r"grpc://(?P<target>[^/\s]+:\d+)/(?P<name>[^/:\s]+)"
    r"(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:\s]+))?/?"
)
_NO_SERVER = re.compile("failed to connect|errors resolving|DNS resolution")
_METHOD = "/tensorflow.serving.PredictionService/Predict"
_INPUT = "image_bytes"


class GrpcSender:
    """Sends images to a model by PredictionService, without encryption."""

    def __init__(self, url: str, timeout: float, outputs: Sequence[str] = LABELS):
        """Check the address; nothing is sent yet.

        Args:
            url: `grpc://HOST:8500/NAME`, with `/versions/N` or `/labels/NAME` behind it
                or not.
            timeout: seconds from a request to its answer.

        Raises:
            ValueError: if the address is of another form.
        """
        self.address, self.timeout, self.outputs = url, timeout, outputs
        found = _URL.fullmatch(url)
        if not found:
            raise ValueError(
                "`server` needs grpc://HOST:8500/NAME or "
                f"http://HOST:8501/v1/models/NAME. Received: {url}"
            )
        self._parts = found.groupdict()
        self._channel, self._most_bytes = None, 0

    def __call__(self, images: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        """Have the model predict encoded images.

        Args:
            images: PNG or JPEG files, at least one.

        Returns:
            For each its `outputs`: a PNG of class ids, and one of confidence.

        Raises:
            ServerError: if the server can't; see `keras_fcn.serving.errors`.
        """
        predict = self._method(most_answer_bytes(images, len(self.outputs)))
        try:
            answer = predict(self._request(images), timeout=self.timeout)
        except grpc.RpcError as error:
            raise self._error(error) from error
        try:
            response = PredictResponse.FromString(answer)
        except DecodeError as error:
            raise ServerError(
                f"{self.address} did not answer as TensorFlow Serving "
                f"({one_line(error)})"
            ) from error
        if not set(self.outputs) <= set(response.outputs):
            raise wrong_signature(", ".join(sorted(response.outputs)), self.address)
        columns = [response.outputs[name].string_val for name in self.outputs]
        return list(zip(*columns, strict=False))  # the caller counts them

    def _method(self, most_bytes):
        """Predict, as bytes; the channel takes answers of so many, at least.

        The limit is a channel's for good: a larger one needs another channel.
        """
        if self._channel is None or most_bytes > self._most_bytes:
            if self._channel is not None:
                self._channel.close()
            self._most_bytes = most_bytes
            options = {
                "grpc.max_send_message_length": -1,  # no limit; the server's is 2 GiB
                "grpc.max_receive_message_length": most_bytes,
                # A message that is packed small may be of any size in memory.
                "grpc.per_message_decompression": 0,
                # Connects anew at each retry; by default after 1, 2.6, ... seconds.
                "grpc.initial_reconnect_backoff_ms": 100,
                "grpc.max_reconnect_backoff_ms": 200,
            }
            self._channel = grpc.insecure_channel(
                self._parts["target"], list(options.items())
            )
        # Not by the stub: gRPC would log a traceback of an answer that is none.
        return self._channel.unary_unary(
            _METHOD, request_serializer=PredictRequest.SerializeToString
        )

    def _request(self, images):
        request = PredictRequest(output_filter=self.outputs)
        request.model_spec.signature_name = signature_of(self.outputs)
        request.model_spec.name = self._parts["name"]
        if self._parts["version"]:
            request.model_spec.version.value = int(self._parts["version"])
        if self._parts["label"]:
            request.model_spec.version_label = self._parts["label"]
        tensor = request.inputs[_INPUT]
        tensor.dtype = tf.string.as_datatype_enum
        tensor.tensor_shape.dim.add(size=len(images))
        tensor.string_val.extend(images)
        return request

    def _error(self, error):
        code, details = error.code().name, error.details() or ""
        if code == "UNIMPLEMENTED":
            return ServerError(
                f"{self.address} speaks gRPC, but is not TensorFlow Serving "
                f"({shorten(details)})"
            )
        if code == "UNAVAILABLE" and _NO_SERVER.search(details):
            return ServerUnavailable(
                f"There is no server at {self.address} ({shorten(details)})"
            )
        if code == "RESOURCE_EXHAUSTED" and "CLIENT:" in details:
            return ServerError(
                f"{self.address} answered with more than {self._most_bytes} bytes, "
                "which no label maps of these images can have"
            )
        if code == "DEADLINE_EXCEEDED":
            details = f"waited {self.timeout:g} s"
        return server_error(code, details, self.address)
