"""Text in images, with a font that has its letters, and columns of text."""

import logging
import os
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from PIL import ImageFont
from wcwidth import wcswidth

logger = logging.getLogger(__name__)

Font = ImageFont.FreeTypeFont

_lock = Lock()
_NO_LETTER = "\U0010fffd"  # a private code point: fonts draw a box
_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
_STYLES = ("bold", "italic", "oblique", "mono", "serif", "light", "thin", "black")


def text_font(text: str, size: float) -> Font:
    """Return a font that has all letters of a text.

    The first of these is taken: Pillow's own font (ASCII), DejaVu Sans, which is part
    of Matplotlib (Latin, Greek, Cyrillic and more), and the fonts of the system, for
    example for Chinese, Japanese and Korean. A text that none of them can draw is
    reported in the log, once.

    Args:
        text: one line.
        size: height of the letters, pixels.
    """
    with _lock:  # threads would search, and report, at the same time
        path = _font_file(text)
    return _load_font(path, size)


@lru_cache(maxsize=64)
def _load_font(path: str | None, size: float) -> Font:
    """Load a font once, because that takes longer than drawing a legend with it."""
    if path is not None:
        return ImageFont.truetype(path, size)
    font = ImageFont.load_default(size)
    if not isinstance(font, Font):
        raise ValueError("Text in images requires a Pillow with FreeType")
    return font


def padded(text: str, width: int) -> str:
    """Pad a text to a width in a terminal, where some letters take two columns.

    Args:
        text: one line; a longer one is not changed.
        width: columns.
    """
    return text + " " * (width - max(0, wcswidth(text)))


def font_files(texts: Iterable[str]) -> list[str]:
    """Return the files of the fonts of texts that are not ASCII.

    Args:
        texts: as for `text_font`.

    Returns:
        Paths, each once, in the order of the texts.
    """
    return list(dict.fromkeys(path for path in map(_font_file, texts) if path))


@lru_cache(maxsize=1024)
def _font_file(text: str) -> str | None:
    """The file of the font for a text; None for Pillow's own font."""
    default = ImageFont.load_default(16)
    letters = {char for char in text if not char.isspace()}
    if text.isascii() or (isinstance(default, Font) and _has(default, letters)):
        return None
    matplotlib = find_spec("matplotlib")  # not imported, which takes time
    folder = Path(str(matplotlib and matplotlib.origin)).parent
    bundled = folder / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    for path in (str(bundled), *_system_fonts()):
        try:
            if _has(ImageFont.truetype(path, 16), letters):
                return path
        except OSError:  # a font of another kind, or damaged
            continue
    logger.warning(
        "%s can't be drawn in images: no font of this machine has all of its letters. "
        "Install one, such as Noto Sans",
        text,
    )
    return str(bundled) if bundled.is_file() else None


def _has(font: Font, letters: set[str]) -> bool:
    """Whether a font has letters: it draws no box for them."""
    box = bytes(font.getmask(_NO_LETTER))
    return all(bytes(font.getmask(char)) != box for char in letters)


@lru_cache(maxsize=1)
def _system_fonts() -> list[str]:
    """Font files of the system, upright and of normal weight first."""
    home = Path.home()
    places = [
        *(home / ".fonts", home / ".local/share/fonts", home / "Library/Fonts"),
        *(Path("/usr/share/fonts"), Path("/usr/local/share/fonts")),
        *(Path("/System/Library/Fonts"), Path("/Library/Fonts")),
    ]
    found = [
        os.path.join(root, name)
        for place in places
        for root, _, names in os.walk(place)
        for name in sorted(names)
        if name.lower().endswith(_SUFFIXES)
    ]
    return sorted(found, key=lambda path: sum(s in path.lower() for s in _STYLES))
