"""Colors of the text on a terminal."""

import os
from typing import TextIO

_STYLES = {"bold": "1", "error": "1;31", "warning": "33", "flag": "36"}


def paint(text: str, style: str, stream: TextIO) -> str:
    """Color a text if it is written to a terminal.

    The variable NO_COLOR (no-color.org) and terminals without colors are respected.

    Args:
        text: without control characters.
        style: "bold", "error", "warning" or "flag".
        stream: the text is written to it.
    """
    has_colors = (
        stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if has_colors else text
