"""File systems: a disk, or a URL that PyArrow or fsspec can read."""

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


def root_of(url: str) -> str:
    """Return the file system of a URL, such as `s3://bucket?region=eu-west-1`.

    Args:
        url: scheme, host and path; options of the file system follow a question mark.

    Raises:
        ValueError: if `url` is not a URL.
    """
    found = _URL.match(url)
    if found is None:
        raise ValueError(f"`url` must be a URL. Received: url={url}")
    return found["root"] + (found["query"] or "")


def absolute(name: str) -> str:
    """Return a path or a `file://` URL as an absolute path; other URLs unchanged.

    Args:
        name: an input or output of the user.
    """
    name = name.removeprefix("file://")
    return name if is_url(name) else os.path.abspath(name)


def without_options(name: str) -> str:
    """Return a URL without the options of its file system; a path unchanged.

    Args:
        name: a URL, as in `root_of`, or a path.
    """
    found = _URL.match(name)
    if found is None:
        return name
    path = found["path"].rstrip("/")
    return f"{found['root']}/{path}" if path else found["root"]


class Storage:
    """A file system, whose files are named by absolute paths or URLs.

    Attributes:
        is_local: whether it is a disk of this machine.
    """

    def __init__(self, root: str = ""):
        """Open a file system.

        Args:
            root: result of `root_of`; "" for the disk.

        Raises:
            ValueError: if no installed library supports it, or it cannot be opened.
        """
        self._root, self._base = "", ""  # what names and paths begin with
        self._fs = fs.LocalFileSystem()
        if root:
            self._root = without_options(root)
            self._fs, self._base = _open(root)
        self.is_local = isinstance(self._fs, fs.LocalFileSystem)

    def files(self, name: str) -> Iterator[str]:
        """List the files of a folder and its subfolders.

        Args:
            name: path or URL of the folder, or of one file.

        Yields:
            Paths or URLs of the files.

        Raises:
            FileNotFoundError: if it does not exist.
            OSError: if it cannot be read.
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

    def exists(self, name: str) -> bool:
        """Return whether a file or folder exists.

        Args:
            name: its path or URL.
        """
        info = self._fs.get_file_info(self._path(name))
        return info.type != fs.FileType.NotFound

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it cannot be read.
        """
        with self._fs.open_input_stream(self._path(name), compression=None) as file:
            return file.read()

    def open(self, name: str):
        """Open a file for random access, as a `pyarrow.NativeFile`.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it cannot be read.
        """
        return self._fs.open_input_file(self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a file, completely or not at all.

        Args:
            name: its path or URL. Missing folders are created; an existing file is
                replaced.
            content: its content.

        Raises:
            OSError: if it cannot be written.
        """
        path = self._path(name)
        folder = path.rpartition("/")[0]
        if self.is_local:
            os.makedirs(folder, exist_ok=True)
            write_content(Path(path), content)
            return
        is_atomic = self._fs.type_name in _OBJECT_STORES
        part = path if is_atomic else f"{folder}/.part-{secrets.token_hex(8)}"
        if not is_atomic:
            self._fs.create_dir(folder, recursive=True)
        with self._fs.open_output_stream(part, compression=None) as file:
            file.write(content)
        if not is_atomic:
            self._fs.move(part, path)

    def remove_folder(self, name: str) -> None:
        """Delete a folder and its content.

        Args:
            name: its path or URL.

        Raises:
            OSError: if it cannot be deleted.
        """
        self._fs.delete_dir(self._path(name))

    def _path(self, name):
        """The path of a file in the file system."""
        if not self._root:
            return name
        return f"{self._base}/{name[len(self._root) :].strip('/')}".rstrip("/")

    def _name(self, path):
        if not self._root:
            return path
        return f"{self._root}/{path[len(self._base) :].lstrip('/')}"


def _open(root):
    """PyArrow's file system of a URL, and the prefix of paths in it."""
    url = f"{root}/" if root.endswith("://") else root
    try:
        file_system, base = fs.FileSystem.from_uri(url)
    except ArrowInvalid as error:
        if "Unrecognized" not in str(error):
            raise _cannot_open(root, error) from error
        from fsspec.core import url_to_fs

        plain, _, options = url.partition("?")
        try:
            opened, base = url_to_fs(plain, **dict(parse_qsl(options)))
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
