"""Errors of the clients of TensorFlow Serving, each with a message of one line."""

import re

from keras_fcn.errors import printable

_MAX_LENGTH = 240  # characters; REST may return the whole request in its message

# Messages of TensorFlow Serving for a request that does not match the model's
# signature: util/json_tensor.cc, servables/tensorflow/predict_util.cc and TensorFlow's
# session.
_OTHER_SIGNATURE = re.compile(
    r"does not have named input|keys must be equal to|is not of expected type"
    r"|input size does not match signature|alias not found in signature"
    r"|Serving signature|Expects arg\["
)
# What else exhausts a resource is the number of requests.
_TOO_LARGE = re.compile(r"larger than max|too large|OOM|out of memory", re.IGNORECASE)


class ServerError(OSError):
    """The request failed; the message is one line."""


class ServerUnavailable(ServerError):
    """There is no server, or it is overloaded: the request may be sent again.

    Attributes:
        retry_after: seconds after which the server expects the request; 0 if it does
            not say.
    """

    def __init__(self, message: str, retry_after: float = 0.0):
        super().__init__(message)
        self.retry_after = retry_after


class RefusedRequest(ServerError):
    """The server refused the request; parts of it may be accepted."""


def server_error(
    code: str, message: str, address: str, retry_after: float = 0.0
) -> ServerError:
    """Convert a status of TensorFlow Serving into an exception.

    Args:
        code: name of the status, such as "NOT_FOUND".
        message: the server's message; long ones are shortened in the middle.
        address: URL of the model.
        retry_after: seconds to wait before another try, as the server requests.

    Returns:
        `ServerUnavailable` or `RefusedRequest` where another try or a smaller request
        may succeed; `ServerError` otherwise.
    """
    details = shorten(message)
    if code == "UNAVAILABLE":
        return ServerUnavailable(f"{address} is not available ({details})", retry_after)
    if code == "NOT_FOUND":
        return ServerError(
            f"{address}: the server has no such model ({details}): give the name that "
            "the server was started with"
        )
    if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION"):
        if _OTHER_SIGNATURE.search(message):
            return wrong_signature(details, address)
        return RefusedRequest(f"refused by the server ({details})")
    if code == "RESOURCE_EXHAUSTED" and not _TOO_LARGE.search(message):
        return ServerUnavailable(f"{address} is overloaded ({details})", retry_after)
    if code in ("RESOURCE_EXHAUSTED", "TOO_LARGE"):
        return RefusedRequest(f"too large for the server ({details})")
    if code == "DEADLINE_EXCEEDED":
        return ServerError(
            f"{address} did not answer in time ({details}): raise `timeout`, or lower "
            "`images_per_request`"
        )
    return ServerError(f"{address} failed with {code} ({details})")


def wrong_signature(received: str, address: str) -> ServerError:
    """Return the error for a model that `keras-fcn export` did not write.

    Args:
        received: the inputs, outputs or message of the model.
        address: URL of the model.
    """
    return ServerError(
        f"{address} has another signature: expected image_bytes to label_png_bytes, as "
        f"an export has, got {shorten(received)}"
    )


def shorten(message: str) -> str:
    """Return a message as one line of at most 240 characters.

    Args:
        message: of any length and content. The graph locations that TensorFlow appends
            are dropped; a message that is still too long loses its middle.
    """
    line = printable(" ".join(message.partition("[[{{")[0].split()))
    if len(line) <= _MAX_LENGTH:
        return line
    half = (_MAX_LENGTH - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"
