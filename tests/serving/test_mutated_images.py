"""Randomly damaged images: the exported model refuses or labels them."""

import re
import struct
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.support.data import draw_blocks
from tests.support.image_files import encode, png_chunk
from tests.support.saved_models import label_pngs_of, read_png

NUM_IMAGES = 2004
PNG_START = b"\x89PNG\r\n\x1a\n"
REFUSAL = re.compile(
    r"refused 1 of 1 images: image_bytes\[0\] (is empty|is neither a PNG nor a JPEG "
    r"file|cannot be decoded: it is damaged or truncated|has -?\d+ rows and -?\d+ "
    r"columns: this model takes 1 to 40000 pixels, padded to multiples of 32)"
)


@pytest.fixture(scope="module")
def signatures(saved_model):
    loaded = tf.saved_model.load(str(saved_model))
    yield loaded.signatures


def draw_originals():
    """PNG and JPEG files of several kinds, of 20 x 30 pixels."""
    image = draw_blocks(20, 30, 3, seed=0)[0]
    return [
        encode(image),
        encode(image, "JPEG"),
        encode(Image.fromarray(image).quantize(16), transparency=3),
        encode(image, "JPEG", progressive=True),
        encode(image[..., 0].astype("uint16") << 8),
        encode(image[..., 0], "JPEG"),
    ]


def flip_bits(file, rng):
    file = bytearray(file)
    for _ in range(rng.integers(1, 6)):
        file[rng.integers(len(file))] ^= 1 << rng.integers(8)
    return bytes(file)


def truncate(file, rng):
    return file[: rng.integers(len(file))]


def change_bytes(file, rng):
    """Remove, repeat or overwrite a few bytes."""
    start, length = rng.integers(len(file)), rng.integers(1, 9)
    some = file[start : start + length]
    others = (b"", some * 2, rng.bytes(length))
    return file[:start] + others[rng.integers(3)] + file[start + length :]


def edit_header(file, rng):
    """Change a byte of the image's size or type, and correct the checksum of a PNG."""
    if file.startswith(PNG_START):
        header = bytearray(file[16:29])
        header[rng.integers(len(header))] = rng.integers(256)
        return file[:8] + png_chunk(b"IHDR", bytes(header)) + file[33:]
    (frame,) = re.finditer(rb"\xff[\xc0\xc2]\0", file)
    place = frame.end() + 1 + rng.integers(8)
    return file[:place] + rng.bytes(1) + file[place + 1 :]


def split(file):
    """The parts of a file as written: start and chunks, or start and segments."""
    if file.startswith(PNG_START):
        ends, end = [8], 8
        while end < len(file):
            end += 12 + struct.unpack_from(">I", file, end)[0]
            ends.append(end)
    else:
        ends, end = [2], 2
        while file[end : end + 2] != b"\xff\xda":  # the pixels follow
            end += 2 + struct.unpack_from(">H", file, end + 2)[0]
            ends.append(end)
        ends.append(len(file))
    return [file[start:end] for start, end in pairwise([0, *ends])]


def swap_parts(file, rng):
    """Swap, repeat or drop two of a file's parts."""
    parts = split(file)
    first, second = rng.integers(1, len(parts), 2)
    kind = rng.integers(3)
    if kind == 0:
        parts[first], parts[second] = parts[second], parts[first]
    elif kind == 1:
        parts.insert(first, parts[second])
    else:
        parts[first] = parts[second] = b""
    return b"".join(parts)


def edit_part(file, rng):
    """Flip bits within a part, and correct the checksum of a PNG."""
    parts = split(file)
    index = rng.integers(1, len(parts))
    part = parts[index]
    if file.startswith(PNG_START):
        content = flip_bits(part[8:-4] or b"\0", rng)
        parts[index] = png_chunk(part[4:8], content)
    else:
        parts[index] = part[:4] + flip_bits(part[4:], rng)
    return b"".join(parts)


MUTATIONS = (flip_bits, truncate, change_bytes, edit_header, edit_part, swap_parts)


def sizes_in(file):
    """Heights and widths in the headers of a file."""
    if file.startswith(PNG_START):
        return [struct.unpack_from(">II", file, 16)[::-1]]
    frames = re.findall(rb"\xff[\xc0-\xc2]\0.\x08(....)", file, re.DOTALL)
    return [struct.unpack(">HH", size) for size in frames]


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_damaged_image_is_refused_or_labeled_at_its_size(signatures, mutate):
    rng = np.random.default_rng(MUTATIONS.index(mutate))
    originals = draw_originals()
    num_refused = 0
    for index in range(NUM_IMAGES // len(MUTATIONS)):
        file = mutate(originals[index % len(originals)], rng)
        try:
            (label_png,) = label_pngs_of(signatures, file)
        except tf.errors.InvalidArgumentError as error:
            assert REFUSAL.search(error.message), error.message
            num_refused += 1
        else:
            assert read_png(label_png).shape in sizes_in(file)
    assert num_refused > 100
    for original in originals:
        (label_png,) = label_pngs_of(signatures, original)
        assert read_png(label_png).shape == (20, 30)
