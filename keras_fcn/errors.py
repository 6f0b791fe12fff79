"""Exceptions, and the wording of error messages in one line.

Messages name arguments in backticks, as in `batch_size`, which the commands turn into
flags.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from numbers import Integral

# Exit status of a worker that has lost another. Kubeflow restarts a pod if it is 128 or
# more, of which 138 is left to users; other launchers restart after any status.
LOST_STATUS = 138


class PeerLost(Exception):
    """Another worker of the training has ended; this one must be restarted, too."""


class BatchTooLarge(MemoryError):
    """The memory has no room for the batches of a training; names a size that fits."""


class TrainingStopped(Exception):
    """A training was stopped by a signal after it had written a checkpoint."""


def summarize(items: Sequence[str], most: int = 3) -> str:
    """Join the first items into one line and count the others.

    Args:
        items: the most important first.
        most: number of items to include.
    """
    rest = len(items) - most
    return "; ".join(items[:most]) + (f"; and {rest} more" if rest > 0 else "")


def shown(value: object) -> str:
    """Return a value of untrusted data in ASCII, at most 60 characters.

    Args:
        value: of any type that JSON has.
    """
    try:
        return shortened(ascii(value))
    except RecursionError:
        return "a value with too many levels"


def shortened(text: str, most: int = 60) -> str:
    """Return the beginning of a text.

    Args:
        text: of any length.
        most: largest number of characters; a longer text ends in "...".
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is a lack of memory: Python's, TensorFlow's or JAX's.

    Args:
        error: the error. TensorFlow reports a full disk in the same way.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"XlaRuntimeError", "JaxRuntimeError"}:
        return "RESOURCE_EXHAUSTED" in str(error)
    return not kinds.isdisjoint({"MemoryError", "ResourceExhaustedError"})


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line; its class if it has no message."""
    return printable(" ".join(str(error).split())) or type(error).__name__


def printable(text: str) -> str:
    r"""Escape control characters.

    Names of files and classes and messages of servers are untrusted: an escape sequence
    in them could clear the terminal or forge other lines.

    Args:
        text: one line; line breaks are escaped, too.

    Returns:
        The text with control characters, marks of writing direction and undecodable
        bytes escaped, as in `\x1b[2J`.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


@contextmanager
def located(place: object) -> Iterator[None]:
    """Name a file or another place in the ValueErrors of a block.

    Args:
        place: the file or place, which precedes the message.

    Raises:
        ValueError: as raised in the block, with the place.
    """
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Check the value of an argument that accepts some words only.

    Args:
        name: name of the argument.
        value: its value.
        choices: the words.

    Raises:
        ValueError: names the argument, the choices and the value.
    """
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value}"
            + did_you_mean(str(value), choices)
        )


def check_positive(name: str, value: object) -> None:
    """Check an argument that must be a positive integer.

    Args:
        name: name of the argument.
        value: its value.

    Raises:
        ValueError: if it is not a positive integer.
    """
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(
            f"`{name}` must be a positive integer. Received: {name}={value!r}"
        )


def did_you_mean(word: str, words: Collection[str], prefix: str = "") -> str:
    """Return " (did you mean X?)" with the most similar word; "" if none is similar.

    Args:
        word: what the user wrote.
        words: the words that are accepted.
        prefix: beginning of all words, which is not compared.
    """
    by_end = {each.removeprefix(prefix): each for each in words}
    nearest = get_close_matches(word.removeprefix(prefix), by_end, n=1, cutoff=0.5)
    return f" (did you mean {by_end[nearest[0]]}?)" if nearest else ""
