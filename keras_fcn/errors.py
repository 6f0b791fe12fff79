"""How errors are worded: what was needed, what came, in one line.

Messages name Python's arguments between backticks, as in `batch_size`; the commands
turn those into their flags.
"""

from collections.abc import Collection, Sequence
from difflib import get_close_matches

# Exit status of a worker whose peers are gone. Kubeflow starts a pod again whose status
# is 128 or more (138 is what it leaves to users), and every other launcher too.
LOST_STATUS = 138


class PeerLost(Exception):
    """Another worker of a training is gone: this one ends, to be started again."""


class TrainingStopped(Exception):
    """A training was asked to stop, and has written a checkpoint to go on from."""


def summarize(items: Sequence[str], most: int = 3) -> str:
    """Join the first few items into one line and count the others.

    Args:
        items: what is listed, the most important first.
        most: number of items that are written out.
    """
    rest = len(items) - most
    return "; ".join(items[:most]) + (f"; and {rest} more" if rest > 0 else "")


def shown(value: object) -> str:
    """Return a value from a file of others as it fits into a line.

    Args:
        value: of any type that JSON has.

    Returns:
        At most 60 characters.
    """
    try:
        return shortened(ascii(value))
    except RecursionError:
        return "something nested too deep"


def shortened(text: str, most: int = 60) -> str:
    """Return a text of others as it fits into a line.

    Args:
        text: of any length.
        most: characters that are kept, and end in "..." where there are more.
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def one_line(error: BaseException) -> str:
    """Return an error's message on one line; its class where it has none.

    Args:
        error: any exception.
    """
    return printable(" ".join(str(error).split())) or type(error).__name__


def printable(text: str) -> str:
    r"""Return a text that steers no terminal.

    Names of files and classes, and what servers say, come from strangers: an escape
    sequence in them could clear the screen or write other lines than were meant.

    Args:
        text: a line; line breaks are characters like others.

    Returns:
        The text with control characters, marks of writing direction and bytes that are
        no text written out, as in `\x1b[2J`.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Refuse a value that is none of the choices.

    Args:
        name: the argument's name.
        value: what was given for it.
        choices: what it takes.

    Raises:
        ValueError: names the argument, the choices and the value.
    """
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value}"
        )


def did_you_mean(word: str, words: Collection[str]) -> str:
    """Return " (did you mean X?)" with the nearest of some words; "" without one.

    Args:
        word: what was typed.
        words: the words that are accepted.
    """
    nearest = get_close_matches(word, words, n=1, cutoff=0.5)
    return f" (did you mean {nearest[0]}?)" if nearest else ""
