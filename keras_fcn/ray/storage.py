"""Files by path, or by a URL that PyArrow or fsspec can read."""

import os
import re
import secrets
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl

from pyarrow import ArrowInvalid, fs

from keras_fcn.errors import one_line
from keras_fcn.images.encoding import write_content

# Their files appear when they are closed, completely or not at all.
_OBJECT_STORES = ("s3", "gcs", "abfs")
_MAX_REASON = 200  # characters; some messages list every searched folder
_URL = re.compile(r"(?P<root>\w[\w+.-]*://[^/?]*)/?(?P<path>.*?)(?P<query>\?\w+=.*)?$")


def is_url(text: str) -> bool:
    """Return whether a text is a URL, and not a path.

    Args:
        text: an input or output of the user.
    """
    return _URL.match(text) is not None


def absolute(name: str) -> str:
    """Return a path or a `file://` URL as an absolute path; other URLs unchanged.

    Args:
        name: an input or output of the user.
    """
    name = name.removeprefix("file://")
    return name if is_url(name) else os.path.abspath(name)


def options_of(name: str) -> str:
    """Return the options of the file system in a URL, `?region=eu-west-1`; or "".

    Args:
        name: a URL or a path.
    """
    found = _URL.match(name)
    return found["query"] or "" if found else ""


def without_options(name: str) -> str:
    """Return a URL without the options of its file system; a path unchanged.

    Args:
        name: a URL or a path.
    """
    found = _URL.match(name)
    if found is None:
        return name
    path = found["path"].rstrip("/")
    return f"{found['root']}/{path}" if path else found["root"]


def child(folder: str, name: str) -> str:
    """Return the path or URL of a file in a folder.

    Args:
        folder: path or URL of the folder; the file has the same options.
        name: relative to the folder.
    """
    return f"{without_options(folder)}/{name}{options_of(folder)}"


def locate(name: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a file or folder, and its path there.

    Args:
        name: an absolute path or a URL.

    Raises:
        ValueError: if no installed library supports the URL, or it cannot be opened.
    """
    found = _URL.match(name)
    if found is None:
        return fs.LocalFileSystem(), name
    file_system, base = _open(found["root"], found["query"] or "")
    return file_system, f"{base}/{found['path']}".rstrip("/")


def list_files(name: str) -> Iterator[str]:
    """List the files of a folder and its subfolders.

    Args:
        name: path or URL of the folder, or URL of one file.

    Yields:
        Paths or URLs of the files, without options.

    Raises:
        FileNotFoundError: if nothing is at the URL.
        OSError: if the URL cannot be read.
    """
    if not is_url(name):  # PyArrow fails at names that are not UTF-8
        for folder, _, names in os.walk(name):
            yield from (os.path.join(folder, each) for each in names)
        return
    file_system, path = locate(name)
    infos = [file_system.get_file_info(path)]
    name = without_options(name)
    if infos[0].type == fs.FileType.NotFound:
        raise FileNotFoundError(f"There is no image, folder or match of {name}")
    if infos[0].type == fs.FileType.Directory:
        infos = file_system.get_file_info(fs.FileSelector(path, recursive=True))
    for info in infos:
        if info.type == fs.FileType.File:
            yield name + info.path[len(path) :]


def read(name: str) -> bytes:
    """Return the content of a file.

    Args:
        name: its path or URL.

    Raises:
        OSError: if it cannot be read.
        ValueError: as in `locate`.
    """
    file_system, path = locate(name)
    with file_system.open_input_stream(path, compression=None) as file:
        return file.read()


def write(name: str, content: bytes) -> None:
    """Write a file, completely or not at all.

    Args:
        name: its path or URL. Missing folders are created; an existing file is
            replaced.
        content: its content.

    Raises:
        OSError: if it cannot be written, or the file system cannot rename files.
    """
    file_system, path = locate(name)
    folder = path.rpartition("/")[0]
    if isinstance(file_system, fs.LocalFileSystem):
        os.makedirs(folder, exist_ok=True)
        write_content(Path(path), content)
        return
    is_atomic = file_system.type_name in _OBJECT_STORES
    part = path if is_atomic else f"{folder}/.part-{secrets.token_hex(8)}"
    if not is_atomic:
        file_system.create_dir(folder, recursive=True)
    with file_system.open_output_stream(part, compression=None) as file:
        file.write(content)
    if not is_atomic:
        try:
            file_system.move(part, path)
        except NotImplementedError as error:
            file_system.delete_file(part)
            raise OSError(
                f"{without_options(name)} can't be written: its file system cannot "
                "rename files"
            ) from error


@cache
def _open(root, query):
    """PyArrow's file system of a URL, and the prefix of paths in it."""
    url = f"{root}/" if root.endswith("://") else root
    try:
        file_system, base = fs.FileSystem.from_uri(url + query)
    except ArrowInvalid as error:
        if "Unrecognized" not in str(error):
            raise _cannot_open(root, error) from error
        from fsspec.core import url_to_fs

        try:
            opened, base = url_to_fs(url, **dict(parse_qsl(query[1:])))
        except (ImportError, ValueError) as error:
            scheme = url.partition("://")[0]
            raise ValueError(
                f"There is no file system for {scheme}://: install fsspec's package "
                f"for it on all machines ({one_line(error)})"
            ) from error
        file_system = fs.PyFileSystem(fs.FSSpecHandler(opened))
    except OSError as error:
        raise _cannot_open(root, error) from error
    return file_system, base.rstrip("/")


def _cannot_open(root, error):
    reason = textwrap.shorten(one_line(error), _MAX_REASON)
    return ValueError(f"{root} cannot be opened ({reason})")
