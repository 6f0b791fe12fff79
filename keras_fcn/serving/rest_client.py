"""Client of TensorFlow Serving's REST API: image files in, label map PNGs out.

Bytes are sent as base64 in JSON, `{"b64": ...}`, in both directions, because the names
of the signature end in `_bytes` (tensorflow_serving/g3doc/api_rest.md).
"""

import base64
import http.client
import json
import re
import ssl
from collections.abc import Sequence

import requests
import urllib3

from keras_fcn.errors import one_line
from keras_fcn.serving.errors import (
    ServerError,
    ServerUnavailable,
    server_error,
    shorten,
    wrong_signature,
)
from keras_fcn.serving.http import ResponseTooLarge, StatusError, post_json, root_cause
from keras_fcn.serving.responses import LABELS, max_response_bytes, signature_of

_URL = re.compile(
    r"https?://(\[[^\]]+\]|[^/:\s]+)(:\d+)?/(\S+/)?"
    r"v1/models/[^/:\s]+(/(versions/\d+|labels/[^/:\s]+))?"
)

# The inverse of ToHTTPStatusCode in model_servers/http_server.cc; 413, 502 and some 429
# come from proxies in front of the server.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    413: "TOO_LARGE",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestClient:
    """Sends images to a model over HTTP or HTTPS.

    Args:
        url: `http://HOST:8501/v1/models/NAME`, optionally followed by `/versions/N` or
            `/labels/NAME`.
        timeout: seconds from a request to the end of its response.
        outputs: names of the outputs requested for each image.

    Raises:
        ValueError: if `url` has another form.
    """

    def __init__(self, url: str, timeout: float, outputs: Sequence[str] = LABELS):
        self.address = url.rstrip("/").removesuffix(":predict")
        self.timeout, self.outputs = timeout, outputs
        if not _URL.fullmatch(self.address):
            raise ValueError(
                "`server` must be http://HOST:8501/v1/models/NAME or "
                f"grpc://HOST:8500/NAME. Received: {url}"
            )

    def __call__(self, images: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        """Send one request.

        Args:
            images: PNG or JPEG files, at least one.

        Returns:
            The `outputs` of each image: a PNG of class ids, and one of confidence.

        Raises:
            ServerError: if the request fails; see `keras_fcn.serving.errors`.
        """
        instances = [
            {"image_bytes": {"b64": base64.b64encode(image).decode()}}
            for image in images
        ]
        body = {"signature_name": signature_of(self.outputs), "instances": instances}
        try:
            content = post_json(
                f"{self.address}:predict",
                json.dumps(body).encode(),
                self.timeout,
                max_response_bytes(images, len(self.outputs)),
            )
        except StatusError as error:
            if error.code < 400:
                raise ServerError(
                    f"{self.address} redirects to {shorten(error.location)}; redirects "
                    "are not followed: give the model's own address"
                ) from error
            code = _CODES.get(error.code, f"status {error.code}")
            message = _message(error.body) or error.reason
            raise server_error(
                code, message, self.address, error.retry_after
            ) from error
        except ResponseTooLarge as error:
            raise ServerError(
                f"the response of {self.address} has {error}, more than the label maps "
                "of these images can have"
            ) from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            TimeoutError,
            ValueError,  # of the address: ports above 65535, names that IDNA refuses
        ) as error:
            raise self._connection_error(root_cause(error)) from error
        return self._decode(content)

    def _connection_error(self, cause):
        if isinstance(cause, TimeoutError):
            message = f"waited {self.timeout:g} s"
            return server_error("DEADLINE_EXCEEDED", message, self.address)
        reason = shorten(one_line(cause))
        if isinstance(cause, ssl.SSLError):
            return ServerError(f"{self.address}: no trusted connection ({reason})")
        if isinstance(cause, http.client.IncompleteRead):
            return ServerUnavailable(f"{self.address}: truncated response ({reason})")
        if isinstance(cause, OSError) and not isinstance(
            cause, requests.RequestException
        ):
            return ServerUnavailable(f"There is no server at {self.address} ({reason})")
        return ServerError(
            f"{self.address} does not answer in HTTP ({reason}): REST has its own "
            "port, usually 8501"
        )

    def _decode(self, content):
        """Outputs of each image.

        The predictions are `[{"b64": ...}, ...]` for one output and
        `[{NAME: {"b64": ...}, ...}, ...]` for several.
        """
        received = shorten(content[:1000].decode(errors="replace"))
        try:
            predictions = json.loads(content)["predictions"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServerError(
                f"{self.address} did not answer as TensorFlow Serving: expected "
                f"predictions, got {received}"
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
            raise wrong_signature(received, self.address) from error


def _message(body):
    """The text of `{"error": ...}`; a proxy's HTML page without its tags."""
    text = body.decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return re.sub(r"<[^<>]*>", " ", text).strip()
