"""Formats, sizes and kinds of file that are refused before decoding."""

import os
import shutil
import struct
import subprocess
import sys
import threading
import warnings

import pytest
from PIL import Image

from keras_fcn.images.opening import FORMATS
from keras_fcn.images.reading import (
    UnreadableImage,
    read_image,
    read_size,
    read_stored_values,
)
from tests.support.image_files import encode, make_png, smooth_image

READ = (read_image, read_stored_values, read_size)
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 10 10
%%EndComments
(witness) (w) file closefile
"""


def refusal(path, read=read_image, **options):
    with pytest.raises(UnreadableImage) as caught:
        read(path, **options)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("read", READ)
def test_postscript_named_png_does_not_start_ghostscript(tmp_path, monkeypatch, read):
    started = tmp_path / "started"
    ghostscript = tmp_path / "bin/gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {started}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ghostscript.parent}:{os.environ['PATH']}")
    path = tmp_path / "a.png"
    path.write_bytes(EPS)
    assert "is not an image in a supported format (PNG, JPEG" in refusal(path, read)
    assert not started.exists()
    assert shutil.which("gs") == str(ghostscript)


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX", "DDS", "JPEG2000", "PDF"])
def test_other_formats_are_refused_whatever_the_file_name(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(smooth_image()).save(path, kind)
    assert "is not an image in a supported format" in refusal(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_content_determines_the_format_not_the_file_name(tmp_path, kind):
    path = tmp_path / "a.xyz"
    path.write_bytes(encode(smooth_image(), kind))
    assert read_image(path).shape == smooth_image().shape


@pytest.mark.parametrize("read", READ)
def test_a_fifo_is_refused_without_waiting(tmp_path, time_limit, read):
    path = tmp_path / "a.png"
    os.mkfifo(path)
    assert "must be a regular file. Received: a FIFO" in refusal(path, read)
    link = tmp_path / "b.png"
    link.symlink_to("/dev/zero")
    assert "must be a regular file" in refusal(link, read)


@pytest.mark.parametrize("size", [(13_300, 13_300), (178_000_000, 1), (1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, size):
    path = tmp_path / "a.png"
    path.write_bytes(make_png(*size, b""))
    for read in READ:  # Pillow decodes a PNG to find its EXIF data
        message = refusal(path, read)
        assert (
            f"at most 100000000 pixels, `max_pixels`. Received: {size[0]}x" in message
        )
        assert "GiB to read" in message


def test_the_limit_on_pixels_is_the_callers_not_pillows(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = tmp_path / "a.png"
    path.write_bytes(encode(smooth_image()))  # 33 x 47
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path, max_pixels=33 * 47).shape == (33, 47, 3)
    assert "at most 1550 pixels" in refusal(path, max_pixels=1550)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_reading_a_refused_image_takes_no_memory(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(make_png(50_000, 50_000, bytes(100)))
    code = (
        "import resource, sys; from pathlib import Path;"
        "from keras_fcn.images.reading import read_image, UnreadableImage\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try: read_image(Path(sys.argv[1]))\n"
        "except UnreadableImage: print(peak() - before)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 50_000  # KiB


@pytest.mark.parametrize(
    "error", [struct.error("x"), KeyError("x"), RecursionError(), MemoryError()]
)
def test_any_exception_in_a_decoder_becomes_one_line(tmp_path, monkeypatch, error):
    def fail(_):
        raise error

    path = tmp_path / "a.png"
    path.write_bytes(encode(smooth_image()))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", fail)
    assert "can't be decoded (" in refusal(path)


def test_concurrent_reads_leave_pillows_limit_unchanged(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(smooth_image()))
    limit = Image.MAX_IMAGE_PIXELS

    def read_often():
        for _ in range(30):
            read_image(path)

    threads = [threading.Thread(target=read_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == limit is not None
