"""TensorFlow Serving's REST API: encoded images there, encoded label maps back.

Bytes travel as base64 in JSON: `{"b64": ...}`, in both directions, because the names of
the signature end in `_bytes` (tensorflow_serving/g3doc/api_rest.md).
"""

import base64
import http.client
import json
import re
import ssl
import urllib.request
from collections.abc import Sequence

from keras_fcn.errors import one_line
from keras_fcn.serving.errors import (
    ServerError,
    ServerUnavailable,
    server_error,
    shorten,
    wrong_signature,
)
from keras_fcn.serving.http import StatusError, TooManyBytes, fetch
from keras_fcn.serving.responses import LABELS, most_answer_bytes, signature_of

_URL = re.compile(
    r"https?://(\[[^\]]+\]|[^/:\s]+)(:\d+)?/(\S+/)?"
    r"v1/models/[^/:\s]+(/(versions/\d+|labels/[^/:\s]+))?"
)

# ToHTTPStatusCode of model_servers/http_server.cc, read backwards; 413 and 502 are of
# the proxies that stand before servers.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestSender:
    """Sends images to a model by HTTP; `https://` too."""

    def __init__(self, url: str, timeout: float, outputs: Sequence[str] = LABELS):
        """Check the address; nothing is sent yet.

        Args:
            url: `http://HOST:8501/v1/models/NAME`, with `/versions/N` or `/labels/NAME`
                behind it or not.
            timeout: seconds from a request to the end of its answer.
            outputs: what is asked for of each image.

        Raises:
            ValueError: if the address is of another form.
        """
        self.address = url.rstrip("/").removesuffix(":predict")
        self.timeout, self.outputs = timeout, outputs
        if not _URL.fullmatch(self.address):
            raise ValueError(
                "`server` needs http://HOST:8501/v1/models/NAME or "
                f"grpc://HOST:8500/NAME. Received: {url}"
            )

    def __call__(self, images: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        """Have the model predict encoded images.

        Args:
            images: PNG or JPEG files, at least one.

        Returns:
            For each its `outputs`: a PNG of class ids, and one of confidence.

        Raises:
            ServerError: if the server can't; see `keras_fcn.serving.errors`.
        """
        instances = [
            {"image_bytes": {"b64": base64.b64encode(image).decode()}}
            for image in images
        ]
        request = urllib.request.Request(
            f"{self.address}:predict",
            json.dumps(
                {"signature_name": signature_of(self.outputs), "instances": instances}
            ).encode(),
            {"Content-Type": "application/json"},
        )
        most_bytes = most_answer_bytes(images, len(self.outputs))
        return self._decode(self._send(request, most_bytes))

    def _send(self, request, most_bytes):
        """Body of the answer."""
        try:
            return fetch(request, self.timeout, most_bytes)
        except StatusError as error:
            raise self._status_error(error) from error
        except TooManyBytes as error:
            raise ServerError(
                f"{self.address} answered with {error}, which no label maps of these "
                "images can have"
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._connection_error(error) from error

    def _status_error(self, error):
        if error.code < 400:
            return ServerError(
                f"{self.address} redirects to {shorten(error.location)}, which is not "
                "followed: give the model's own address"
            )
        code = _CODES.get(error.code, f"status {error.code}")
        return server_error(code, _message(error.body) or error.reason, self.address)

    def _connection_error(self, error):
        reason = getattr(error, "reason", error)  # of a URLError
        if isinstance(reason, TimeoutError):
            message = f"waited {self.timeout:g} s"
            return server_error("DEADLINE_EXCEEDED", message, self.address)
        if isinstance(reason, ssl.SSLError):
            return ServerError(f"{self.address} gives no trusted connection ({reason})")
        if isinstance(reason, http.client.IncompleteRead):
            return ServerUnavailable(f"{self.address} broke off its answer ({reason})")
        if isinstance(reason, OSError):
            return ServerUnavailable(f"There is no server at {self.address} ({reason})")
        return ServerError(
            f"{self.address} does not answer in HTTP ({shorten(one_line(error))}): "
            "REST has a port of its own, as a rule 8501"
        )

    def _decode(self, body):
        """The outputs of each image.

        Of one output they stand in `{"predictions": [{"b64": ...}, ...]}`, of several
        in `{"predictions": [{NAME: {"b64": ...}, ...}, ...]}`.
        """
        found = shorten(body[:1000].decode(errors="replace"))
        try:
            predictions = json.loads(body)["predictions"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServerError(
                f"{self.address} did not answer as TensorFlow Serving: needed "
                f"predictions. Received: {found}"
            ) from error
        try:
            if len(self.outputs) == 1:
                predictions = [{self.outputs[0]: encoded} for encoded in predictions]
            return [
                tuple(
                    base64.b64decode(prediction[name]["b64"], validate=True)
                    for name in self.outputs
                )
                for prediction in predictions
            ]
        except (KeyError, TypeError, ValueError) as error:  # ValueError: not base64
            raise wrong_signature(found, self.address) from error


def _message(body):
    """What stands in `{"error": ...}`; all of it where the answer is another's."""
    text = body.decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return re.sub(r"<[^<>]*>", " ", text).strip()
