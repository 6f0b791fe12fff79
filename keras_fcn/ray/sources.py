"""Finds the images of paths, folders, globs, lists and URLs.

Ray Data's own listing has no globs, and skips names that begin with an underscore. The
driver keeps two strings for each image: path or URL, and stem of the outputs.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from fsspec.utils import glob_translate

from keras_fcn.errors import summarize
from keras_fcn.images.reading import IMAGE_SUFFIXES
from keras_fcn.prediction.inputs import VIDEO_SUFFIXES, expand_list, find_files
from keras_fcn.prediction.jobs import CONFIDENCE, LABELS, OVERLAY
from keras_fcn.ray.storage import is_url, list_files, options_of, without_options
from keras_fcn.storage.regular_files import read_lines

_OUTPUTS = (LABELS, OVERLAY, CONFIDENCE)


def find_sources(
    inputs: Sequence[str], output_dir: str, list_file: str | None = None
) -> dict[str, str]:
    """Find the images to predict.

    As in a prediction without Ray, the outputs have the subfolders of the input folder
    or list, and hidden files and outputs in an input folder are skipped.

    Args:
        inputs: paths, globs and URLs.
        output_dir: absolute path or URL of the output folder.
        list_file: text file with a path or a URL on each line; "-" for standard input.

    Returns:
        By the absolute path or the URL of each image: the stem of its outputs relative
        to the output folder, as in `subfolder/image`.

    Raises:
        FileNotFoundError: if a path does not exist or has no images.
        ValueError: if two images would have the same output, an output would replace an
            input, an input is a video, or a URL cannot be opened.
    """
    found: dict[str, str] = {}
    for source, subfolder in _find(inputs, output_dir, list_file):
        base, suffix = posixpath.splitext(posixpath.basename(without_options(source)))
        if suffix.lower() in VIDEO_SUFFIXES:
            raise ValueError(f"`ray` predicts images only. Received: {source}")
        found.setdefault(source, posixpath.join(subfolder, base))
    sources: dict[str, str] = {}
    for source, stem in found.items():
        if (other := sources.setdefault(stem, source)) != source:
            raise ValueError(
                f"{other} and {source} would both be written to {stem}{LABELS}.png: "
                "predict them separately, with different `output_dir`"
            )
    _check_not_replaced(found, output_dir)
    return found


def _find(inputs, output_dir, list_file) -> Iterator[tuple[str, str]]:
    """Each image and its subfolder of the output folder."""
    output = Path(output_dir)
    for text in inputs:
        text = text.removeprefix("file://")
        if is_url(text):
            yield from _find_by_url(text, output_dir)
        else:
            yield from map(_as_strings, find_files([text], output))
    if list_file is not None:
        lines = read_lines(list_file)
        if any(map(is_url, lines)):
            yield from _expand_urls(lines)
        else:
            yield from map(_as_strings, expand_list(lines, output))


def _as_strings(found):
    path, subfolder = found
    return str(path.absolute()), "" if subfolder == Path() else str(subfolder)


def _find_by_url(url, output_dir):
    """Images of a folder, a glob or a file by URL, sorted by name."""
    base, options, pattern = without_options(url), options_of(url), None
    if magic := re.search(r"[*?[]", base):
        pattern = re.compile(glob_translate(base))
        base = posixpath.dirname(base[: magic.start()])
    names = [
        name
        for name in list_files(base + options)
        if name == base
        or (pattern is None or pattern.match(name))
        and _is_image(name[len(base) :], name, base, without_options(output_dir))
    ]
    if not names:
        raise FileNotFoundError(f"There are no images in {url}")
    for name in sorted(names, key=lambda name: name.split("/")):
        # As on a disk, the files of a glob have no subfolders.
        below = "" if pattern or name == base else name[len(base) + 1 :]
        yield name + options, posixpath.dirname(below)


def _is_image(below, name, base, output):
    """Whether a file of an input folder is predicted."""
    parts = below.strip("/").split("/")
    stem, suffix = posixpath.splitext(parts[-1])
    if suffix.lower() not in (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES):
        return False
    if any(part.startswith(".") for part in parts):
        return False
    if output == base:
        return not any(part.endswith(_OUTPUTS) for part in (*parts[:-1], stem))
    return not (output.startswith(f"{base}/") and name.startswith(f"{output}/"))


def _expand_urls(lines):
    """URLs of a list, each with its folder relative to their common folder."""
    for line in lines:
        if not is_url(line):
            raise ValueError(
                f"A list must have either URLs or paths only. Received: {line}"
            )
    common = posixpath.commonpath({_folder(line) for line in lines})
    for line in lines:
        yield line, _folder(line)[len(common) :].strip("/")


def _folder(url):
    """The folder of a URL as a path, such as `/s3/bucket/folder`, without `..`."""
    path = without_options(url).replace("://", "/", 1)
    return posixpath.normpath(f"/{posixpath.dirname(path)}")


def _check_not_replaced(found, output_dir):
    below = f"{without_options(output_dir)}/"
    # Usually no input is in the output folder, and the million names are not made.
    inputs = {without_options(name) for name in found if name.startswith(below)}
    replaced = [
        output
        for stem in (found.values() if inputs else ())
        for end in _OUTPUTS
        for suffix in (".png", ".jpg")
        if (output := f"{below}{stem}{end}{suffix}") in inputs
    ]
    if replaced:
        raise ValueError(
            f"The prediction would replace the input {summarize(replaced)}: choose "
            "another `output_dir`"
        )
