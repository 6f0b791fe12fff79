"""Random mutations of files."""

import re
import struct
import zlib
from collections.abc import Sequence

import numpy as np

_PNG_START = b"\x89PNG\r\n\x1a\n"
# Critical values for parsers: integer limits, zeros and structural characters.
_TOKENS = (
    *(b"\0", b"\0\0\0\0", b"\xff\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
    *(b"\x80\0\0\0", b"\0\0\0\x80", b"\x01\0\0\0", b"PK\3\4", b"PK\5\6", b"\xff\xd9"),
    *(b"-1", b"1e999", b"NaN", b"null", b"9" * 40, b"[" * 2000, b"{", b'"', b"\n"),
    *(b",", b";", b"\t", b"../", b"\x1b[2J", b"\xe2\x80\xae", b"\xef\xbb\xbf"),
)


def mutate(files: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return one of the files with one to four mutations.

    Args:
        files: valid files of one kind.
        rng: random number generator.
    """
    file = files[rng.integers(len(files))]
    for _ in range(rng.integers(1, 5)):
        mutation = _MUTATIONS[rng.integers(len(_MUTATIONS))]
        file = mutation(file or b"\0", files, rng)
    # With a wrong checksum, the data after it would not be parsed.
    return fix_checksums(file) if rng.random() < 0.7 else file


def without_rows(file: bytes, rng: np.random.Generator) -> bytes | None:
    """Return a PNG or JPEG that ends properly and lacks the data of its last rows.

    Args:
        file: a valid file.
        rng: random number generator.

    Returns:
        The file; None for other formats, and for those whose rows are not stored from
        top to bottom.
    """
    if file.startswith(_PNG_START) and b"acTL" not in file and not file[28]:
        start, end = file.index(b"IDAT") - 4, file.index(b"IEND") - 4
        (length,) = struct.unpack_from(">I", file, start)
        if start + 12 + length == end:  # in one chunk
            pixels = zlib.decompress(file[start + 8 : start + 8 + length])
            (height,) = struct.unpack_from(">I", file, 20)
            row = len(pixels) // height
            kept = zlib.compress(pixels[: row * rng.integers(1, height)])
            chunk = struct.pack(">I", len(kept)) + b"IDAT" + kept + bytes(4)
            return fix_checksums(file[:start] + chunk + file[end:])
    if file.startswith(b"\xff\xd8") and file.count(b"\xff\xda") == 1:
        start = file.index(b"\xff\xda") + 32  # behind the header of the scan
        return file[: rng.integers(start, (start + len(file)) // 2)] + b"\xff\xd9"
    return None


def fix_checksums(file: bytes) -> bytes:
    """Correct the checksums of a PNG's chunks; other files are not changed.

    Args:
        file: a file of any kind, damaged or not.
    """
    if not file.startswith(_PNG_START):
        return file
    parts, place = [file[:8]], 8
    while place + 12 <= len(file):
        (length,) = struct.unpack_from(">I", file, place)
        end = place + 8 + length
        if end + 4 > len(file):
            break
        checksum = struct.pack(">I", zlib.crc32(file[place + 4 : end]))
        parts += [file[place:end], checksum]
        place = end + 4
    return b"".join(parts) + file[place:]


def _flip_bits(file, _, rng):
    file = bytearray(file)
    for _ in range(rng.integers(1, 9)):
        file[rng.integers(len(file))] ^= 1 << rng.integers(8)
    return bytes(file)


def _flip_a_bit_at_the_start(file, _, rng):
    file = bytearray(file)
    file[rng.integers(min(len(file), 128))] ^= 1 << rng.integers(8)
    return bytes(file)


def _truncate(file, _, rng):
    return file[: rng.integers(len(file))]


def _overwrite(file, _, rng):
    place = rng.integers(len(file))
    token = _TOKENS[rng.integers(len(_TOKENS))]
    return file[:place] + token + file[place + len(token) :]


def _insert(file, _, rng):
    place = rng.integers(len(file))
    return file[:place] + _TOKENS[rng.integers(len(_TOKENS))] + file[place:]


def _remove(file, _, rng):
    place = rng.integers(len(file))
    return file[:place] + file[place + rng.integers(1, 65) :]


def _repeat(file, _, rng):
    start, length = rng.integers(len(file)), rng.integers(1, 257)
    some = file[start : start + length]
    return file[:start] + some * rng.integers(2, 5) + file[start + length :]


def _splice(file, files, rng):
    other = files[rng.integers(len(files))]
    return file[: rng.integers(len(file))] + other[rng.integers(len(other)) :]


def _change_a_number(file, _, rng):
    """Replace a number in a text; flip bits if there is none."""
    numbers = list(re.finditer(rb"-?\d+", file[:100_000]))
    if not numbers:
        return _flip_bits(file, None, rng)
    found = numbers[rng.integers(len(numbers))]
    values = (b"0", b"-1", b"256", b"65536", b"2147483648", b"1" * 400, b"0.5", b'"8"')
    return (
        file[: found.start()] + values[rng.integers(len(values))] + file[found.end() :]
    )


_MUTATIONS = (
    *(_flip_bits, _flip_a_bit_at_the_start, _truncate, _overwrite, _insert, _remove),
    *(_repeat, _splice, _change_a_number),
)
