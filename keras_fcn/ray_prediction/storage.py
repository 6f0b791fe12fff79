"""Files where they lie: on a disk, or behind a URL that PyArrow or fsspec reads."""

import os
import re
import secrets
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

from pyarrow import ArrowInvalid, fs

from keras_fcn.errors import one_line
from keras_fcn.images.encoding import write_content

# Their files are there whole or not at all: when they are closed.
_OBJECT_STORES = ("s3", "gcs", "abfs")
_LONGEST_REASON = 200  # characters; some say where they looked for each library
_URL = re.compile(r"(?P<root>\w[\w+.-]*://[^/?]*)/?(?P<path>.*?)(?P<query>\?\w+=.*)?$")


def is_url(text: str) -> bool:
    """Whether a text is a URL, and no path.

    Args:
        text: what a user names.
    """
    return _URL.match(text) is not None


def root_of(url: str) -> str:
    """Return the file system of a URL, as in `s3://bucket?region=eu-west-1`.

    Args:
        url: scheme, place and path; options of the file system follow a question mark.
    """
    found = _URL.match(url)
    return found["root"] + (found["query"] or "")


def absolute(name: str) -> str:
    """Return a URL as it is, and a path or a `file://` as an absolute path.

    Args:
        name: what a user names.
    """
    name = name.removeprefix("file://")
    return name if is_url(name) else os.path.abspath(name)


def without_options(name: str) -> str:
    """Return a URL without the options of its file system; a path as it is.

    Args:
        name: as for `root_of`, or a path.
    """
    found = _URL.match(name)
    if found is None:
        return name
    path = found["path"].rstrip("/")
    return f"{found['root']}/{path}" if path else found["root"]


class Storage:
    """A file system; its files are named by absolute paths, or by URLs.

    Attributes:
        is_local: whether they are files of this machine, with paths.
    """

    def __init__(self, root: str = ""):
        """Open a file system.

        Args:
            root: as `root_of` returns it; "" for the disk.

        Raises:
            ValueError: if no library knows it, or it can't be opened.
        """
        self._root = without_options(root) if root else ""
        self._fs, self._base = _open(root) if root else (fs.LocalFileSystem(), "")
        self.is_local = isinstance(self._fs, fs.LocalFileSystem)

    def files(self, name: str) -> Iterator[str]:
        """Search a folder with its subfolders.

        Args:
            name: path or URL of the folder, or of one file.

        Yields:
            Paths or URLs of the files.

        Raises:
            FileNotFoundError: if there is nothing.
            OSError: if it can't be searched.
        """
        kind = self._fs.get_file_info(self._path(name)).type
        if kind == fs.FileType.NotFound:
            raise FileNotFoundError(f"There is no image, folder or match of {name}")
        if kind == fs.FileType.File:
            yield name
        elif self.is_local:
            for folder, _, names in os.walk(self._path(name)):
                yield from (self._name(os.path.join(folder, name)) for name in names)
        else:
            selector = fs.FileSelector(self._path(name), recursive=True)
            for info in self._fs.get_file_info(selector):
                if info.type == fs.FileType.File:
                    yield self._name(info.path)

    def is_there(self, name: str) -> bool:
        """Whether there is a file or a folder.

        Args:
            name: its path or URL.
        """
        info = self._fs.get_file_info(self._path(name))
        return info.type != fs.FileType.NotFound

    def read(self, name: str) -> bytes:
        """Read a file whole.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it can't be read.
        """
        with self._fs.open_input_stream(self._path(name), compression=None) as file:
            return file.read()

    def open(self, name: str):
        """Open a file for reading at any place; PyArrow's kind of file.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it can't be read.
        """
        return self._fs.open_input_file(self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a file that appears whole or not at all.

        Args:
            name: its path or URL; folders are made, and a file there is replaced.
            content: all of it.

        Raises:
            OSError: if it can't be written.
        """
        path = self._path(name)
        folder = path.rpartition("/")[0]
        if self.is_local:
            os.makedirs(folder, exist_ok=True)
            write_content(Path(path), content)
            return
        is_whole = self._fs.type_name in _OBJECT_STORES
        part = path if is_whole else f"{folder}/.part-{secrets.token_hex(8)}"
        if not is_whole:
            self._fs.create_dir(folder, recursive=True)
        with self._fs.open_output_stream(part, compression=None) as file:
            file.write(content)
        if not is_whole:
            self._fs.move(part, path)

    def remove_folder(self, name: str) -> None:
        """Remove a folder and what is in it.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it can't be removed.
        """
        self._fs.delete_dir(self._path(name))

    def _path(self, name):
        """How the file system itself names a file."""
        if not self._root:
            return name
        return f"{self._base}/{name[len(self._root) :].strip('/')}".rstrip("/")

    def _name(self, path):
        if not self._root:
            return path
        return f"{self._root}/{path[len(self._base) :].lstrip('/')}"


def _open(root):
    """PyArrow's file system of a URL, and what paths in it begin with."""
    url = f"{root}/" if root.endswith("://") else root
    try:
        file_system, base = fs.FileSystem.from_uri(url)
    except ArrowInvalid as error:
        if "Unrecognized" not in str(error):
            raise _cannot_open(root, error) from error
        file_system, base = _open_by_fsspec(url)
    except OSError as error:
        raise _cannot_open(root, error) from error
    return file_system, base.rstrip("/")


def _cannot_open(root, error):
    reason = textwrap.shorten(one_line(error), _LONGEST_REASON)
    return ValueError(f"{root} can't be opened ({reason})")


def _open_by_fsspec(url):
    from fsspec.core import url_to_fs

    plain, _, options = url.partition("?")
    try:
        file_system, base = url_to_fs(plain, **dict(parse_qsl(options)))
    except (ImportError, ValueError) as error:
        scheme = url.partition("://")[0]
        raise ValueError(
            f"There is no file system for {scheme}:// here: install fsspec's package "
            f"for it, on all machines ({one_line(error)})"
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(file_system)), base
