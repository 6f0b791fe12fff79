"""What can go wrong between a client and TensorFlow Serving, in one line each."""

import re

from keras_fcn.errors import printable

_LONGEST = 240  # characters of a server's message; REST may send a request back in it

# How TensorFlow Serving words that a request is not of the model's signature:
# util/json_tensor.cc, servables/tensorflow/predict_util.cc and TensorFlow's session.
_OTHER_SIGNATURE = re.compile(
    r"does not have named input|keys must be equal to|is not of expected type"
    r"|input size does not match signature|alias not found in signature"
    r"|Serving signature|Expects arg\["
)


class ServerError(OSError):
    """The server can't predict; the message is one line."""


class ServerUnavailable(ServerError):
    """There is no server, or it has no room at the moment: may be tried again."""


class RefusedRequest(ServerError):
    """The server refused what was sent; a part of it may be accepted."""


def server_error(code: str, message: str, address: str) -> ServerError:
    """Turn a status of TensorFlow Serving into an exception.

    Args:
        code: name of the status, as in "NOT_FOUND".
        message: what the server says; long ones are shortened in the middle.
        address: the server and its model, as the user gave it.

    Returns:
        `ServerUnavailable` or `RefusedRequest` where trying again or sending less may
        help; `ServerError` otherwise.
    """
    said = shorten(message)
    if code == "UNAVAILABLE":
        return ServerUnavailable(f"{address} is not available ({said})")
    if code == "NOT_FOUND":
        return ServerError(
            f"{address} is no model of this server ({said}): give the name that it was "
            "started with"
        )
    if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION"):
        if _OTHER_SIGNATURE.search(message):
            return wrong_signature(said, address)
        return RefusedRequest(f"the server refused it ({said})")
    if code == "RESOURCE_EXHAUSTED":
        return RefusedRequest(f"it is too large for the server ({said})")
    if code == "DEADLINE_EXCEEDED":
        return ServerError(
            f"{address} gave no answer in time ({said}): raise `timeout`, or lower "
            "`images_per_request`"
        )
    return ServerError(f"{address} failed with {code} ({said})")


def wrong_signature(found: str, address: str) -> ServerError:
    """Say that a model is not one that `export` wrote.

    Args:
        found: what it asks for or answers instead.
        address: the server and its model.
    """
    return ServerError(
        f"{address} has another signature: needed image_bytes to label_png_bytes, as "
        f"an export writes it. Received: {shorten(found)}"
    )


def shorten(message: str) -> str:
    """Return a message as one line of at most 240 characters.

    Args:
        message: of any length and content; the places in the graph that TensorFlow
            appends are dropped, and what is still too long loses its middle.
    """
    line = printable(" ".join(message.partition("[[{{")[0].split()))
    if len(line) <= _LONGEST:
        return line
    half = (_LONGEST - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"
