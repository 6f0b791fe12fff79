"""Encoded images of all types, valid and invalid."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = (33, 47)  # height and width; 64 x 64 when padded


def random_array(*shape, dtype="uint8"):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)


def encode(image, format="PNG", **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def smooth_image():
    """An image with small JPEG errors, which shows differences between decoders."""
    rows, columns = np.mgrid[:33, :47]
    return np.stack([rows * 7, columns * 5, rows + columns], -1).astype("uint8")


def png_chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


def make_png(width, height, rows, bit_depth=8, color_type=2):
    """A PNG of any type; Pillow cannot write 16-bit RGB."""
    header = struct.pack(">IIBBBBB", width, height, bit_depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def png_of_16_bits(array, color_type):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return make_png(array.shape[1], array.shape[0], rows, 16, color_type)


def with_transparency():
    image = Image.fromarray(smooth_image()).quantize(16)
    return encode(image, transparency=3)


FILES = {
    "RGB": encode(random_array(*SIZE, 3)),
    "one pixel": encode(random_array(1, 1, 3)),
    "grey": encode(random_array(*SIZE)),
    "grey and alpha": encode(random_array(*SIZE, 2)),
    "RGBA": encode(random_array(*SIZE, 4)),
    "1 bit": encode(Image.fromarray(random_array(*SIZE)).convert("1")),
    "palette": encode(Image.fromarray(smooth_image()).quantize(16)),
    "transparent palette": with_transparency(),
    "grey of 16 bits": encode(random_array(*SIZE, dtype="uint16")),
    "RGB of 16 bits": png_of_16_bits(random_array(*SIZE, 3, dtype="uint16"), 2),
    "RGBA of 16 bits": png_of_16_bits(random_array(*SIZE, 4, dtype="uint16"), 6),
    "JPEG": encode(smooth_image(), "JPEG", quality=90),
    "JPEG of random pixels": encode(random_array(*SIZE, 3), "JPEG"),
    "progressive JPEG": encode(smooth_image(), "JPEG", progressive=True),
    "grey JPEG": encode(smooth_image()[..., 0], "JPEG"),
    "JPEG without subsampling": encode(smooth_image(), "JPEG", subsampling=0),
    "JPEG with bytes after it": encode(smooth_image(), "JPEG") + b"trailer",
}


GOOD = FILES["RGB"]
JPEG = FILES["JPEG"]
HUGE = make_png(30_000, 30_000, b"")
NOT_AN_IMAGE = "is neither a PNG nor a JPEG file"
DAMAGED = "cannot be decoded: it is damaged or truncated"
BAD_FILES = {
    "empty": (b"", "is empty"),
    "text": (b"hello", NOT_AN_IMAGE),
    "GIF": (encode(smooth_image(), "GIF"), NOT_AN_IMAGE),
    "BMP": (encode(smooth_image(), "BMP"), NOT_AN_IMAGE),
    "WebP": (encode(smooth_image(), "WEBP"), NOT_AN_IMAGE),
    "the start of a PNG": (GOOD[:8], NOT_AN_IMAGE),
    "the start of a JPEG": (JPEG[:3], DAMAGED),
    "a PNG truncated in its header": (GOOD[:20], None),
    "a PNG truncated after its header": (GOOD[:33], DAMAGED),
    "a PNG truncated": (GOOD[: len(GOOD) // 2], DAMAGED),
    "a JPEG truncated in its header": (JPEG[:100], DAMAGED),
    "a JPEG truncated": (JPEG[: len(JPEG) // 2], DAMAGED),
    "a PNG with a wrong checksum": (GOOD[:60] + b"\0\0\0\0" + GOOD[64:], DAMAGED),
    "a PNG of no width": (make_png(0, 5, b""), "has 5 rows and 0 columns"),
    "a PNG of negative height": (
        make_png(5, 2**31 + 5, b""),
        "has -2147483643 rows and 5 columns",
    ),
    "a PNG of 30000x30000": (HUGE, "has 30000 rows and 30000 columns"),
    "a JPEG of 60000x60000": (
        JPEG.replace(struct.pack(">HH", *SIZE), struct.pack(">HH", 60_000, 60_000)),
        "has 60000 rows and 60000 columns",
    ),
}
