"""How errors are worded: what was needed, what came, in one line.

Messages name Python's arguments between backticks, as in `batch_size`; the commands
turn those into their flags.
"""

from collections.abc import Collection, Sequence


def summarize(items: Sequence[str], most: int = 3) -> str:
    """Join the first few items into one line and count the others.

    Args:
        items: what is listed, the most important first.
        most: number of items that are written out.
    """
    rest = len(items) - most
    return "; ".join(items[:most]) + (f"; and {rest} more" if rest > 0 else "")


def one_line(error: BaseException) -> str:
    """Return an error's message on one line; its class where it has none.

    Args:
        error: any exception.
    """
    return " ".join(str(error).split()) or type(error).__name__


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
