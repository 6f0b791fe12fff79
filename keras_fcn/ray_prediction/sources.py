"""The images that paths, folders, globs, lists and URLs mean, in little memory.

A million of them are two texts each: where an image is, and what the names of its
outputs begin with.
"""

import glob
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fsspec.utils import glob_translate

from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.prediction.inputs import (
    VIDEO_SUFFIXES,
    expand_list,
    find_files,
    read_list,
)
from keras_fcn.prediction.jobs import CONFIDENCE, LABELS, OVERLAY
from keras_fcn.ray_prediction.storage import (
    Storage,
    is_url,
    root_of,
    without_options,
)

_OUTPUTS = (LABELS, OVERLAY, CONFIDENCE)


@dataclass(frozen=True)
class Sources:
    """What is to be predicted.

    Attributes:
        by_stem: absolute path or URL of each image, by what the names of its outputs
            begin with below the output's folder, as in `subfolder/image`.
        roots: `root_of` the URLs among them, by its part without options.
    """

    by_stem: dict[str, str]
    roots: dict[str, str]


def find_sources(
    inputs: Sequence[str], output_dir: str, list_file: str | None = None
) -> Sources:
    """Find what is to be predicted.

    As in a prediction without Ray, the tree of a folder or a list is kept below the
    output, and of a folder the images are taken that are neither hidden nor outputs.

    Args:
        inputs: paths, globs and URLs.
        output_dir: absolute path or URL of where the outputs go.
        list_file: text file with a path or a URL on each line; "-" for standard input.

    Raises:
        FileNotFoundError: if a path does not exist or means no image.
        ValueError: if two images would be written to one output, an output would
            replace an input, there is a film, or a URL can't be opened.
    """
    found: dict[str, str] = {}
    roots: dict[str, str] = {}
    for source, subfolder in _find(inputs, output_dir, list_file, roots):
        folder, name = posixpath.split(source)
        base, suffix = posixpath.splitext(name)
        if suffix.lower() in VIDEO_SUFFIXES:
            raise ValueError(f"`ray` predicts images alone. Received: {source}")
        stem = posixpath.join(subfolder, base)
        other = found.setdefault(stem, source)
        if other != source:
            raise ValueError(
                f"{other} and {source} would both be written to {stem}{LABELS}.png: "
                "predict them into different folders, by `output_dir`"
            )
    _check_not_replaced(found, output_dir)
    return Sources(found, roots)


def _find(inputs, output_dir, list_file, roots) -> Iterator[tuple[str, str]]:
    """Each image, and its folder below the output; notes the roots of URLs."""
    output = Path(output_dir)
    for text in inputs:
        text = text.removeprefix("file://")
        if is_url(text):
            _note_root(text, roots)
            yield from _find_by_url(text, output_dir)
        else:
            yield from map(_as_text, find_files([text], output))
    if list_file is not None:
        lines = read_list(list_file)
        if any(map(is_url, lines)):
            yield from _expand_urls(lines, roots)
        else:
            yield from map(_as_text, expand_list(lines, output))


def _as_text(found):
    path, subfolder = found
    return str(path.absolute()), "" if subfolder == Path() else str(subfolder)


def _find_by_url(url, output_dir):
    """Images of a folder, a glob or a file behind a URL, in their names' order."""
    storage, whole = Storage(root_of(url)), without_options(url)
    base, pattern = whole, None
    if glob.has_magic(whole):
        base = posixpath.dirname(whole[: re.search(r"[*?[]", whole).start()])
        pattern = re.compile(glob_translate(whole))
    names = [
        name
        for name in storage.files(base)
        if name == base
        or (pattern is None or pattern.match(name))
        and _is_image(name[len(base) :], name, base, output_dir)
    ]
    if not names:
        raise FileNotFoundError(f"There are no images in {url}")
    for name in sorted(names, key=lambda name: name.split("/")):
        # What a glob means has no tree, as on a disk.
        below = "" if pattern or name == base else name[len(base) + 1 :]
        yield name, posixpath.dirname(below)


def _is_image(below, name, base, output_dir):
    """Whether a file of a searched folder is taken."""
    parts = below.strip("/").split("/")
    stem, suffix = posixpath.splitext(parts[-1])
    if suffix.lower() not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
        return False
    if any(part.startswith(".") for part in parts):
        return False
    output = without_options(output_dir)
    if output == base:
        return not any(part.endswith(_OUTPUTS) for part in (*parts[:-1], stem))
    return not (output.startswith(f"{base}/") and name.startswith(f"{output}/"))


def _expand_urls(lines, roots):
    """URLs of a list, each below the folder that all have in common."""
    folders = set()
    for line in lines:
        if not is_url(line):
            raise ValueError(
                f"The list must have URLs alone, or paths alone. Received: {line}"
            )
        _note_root(line, roots)
        folders.add(_folder(without_options(line)))
    common = posixpath.commonpath(folders)
    for line in lines:
        name = without_options(line)
        yield name, _folder(name)[len(common) :].strip("/")


def _folder(name):
    """The folder of a URL as a path, as in `s3/bucket/folder`."""
    return posixpath.dirname(name.replace("://", "/", 1))


def _note_root(url, roots):
    root = root_of(url)
    roots.setdefault(without_options(root), root)


def _check_not_replaced(found: Mapping[str, str], output_dir: str):
    below = f"{without_options(output_dir)}/"
    # Only what lies below the output can be replaced, which is nothing as a rule.
    inputs = {source for source in found.values() if source.startswith(below)}
    replaced = [
        output
        for stem in (found if inputs else ())
        for end in _OUTPUTS
        for suffix in (".png", ".jpg")
        if (output := f"{below}{stem}{end}{suffix}") in inputs
    ]
    if replaced:
        raise ValueError(
            f"The prediction would replace the input {summarize(replaced)}: choose "
            "another `output_dir`"
        )
