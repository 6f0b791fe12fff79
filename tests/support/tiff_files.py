"""TIFF files that Pillow does not write."""

import struct


def make_tiff(width, height, row, num_strips):
    """An uncompressed gray TIFF of `num_strips` strips, each of one row."""
    places = [8 + index * len(row) for index in range(num_strips)]
    long, short = 4, 3
    entries = [
        (256, long, [width]),
        (257, long, [height]),
        (258, short, [8]),  # bits per sample
        (259, short, [1]),  # no compression
        (262, short, [1]),  # black is zero
        (273, long, places),
        (277, short, [1]),  # samples per pixel
        (278, long, [1]),  # rows per strip
        (279, long, [len(row)] * num_strips),
    ]
    data = row * num_strips + bytes(len(row) * num_strips % 2)
    start = 8 + len(data)
    far = start + 2 + 12 * len(entries) + 4  # offset of longer values
    directory, values = struct.pack("<H", len(entries)), b""
    for tag, kind, numbers in entries:
        packed = struct.pack(f"<{len(numbers)}{'I' if kind == long else 'H'}", *numbers)
        if len(packed) > 4:
            field, values = struct.pack("<I", far + len(values)), values + packed
        else:
            field = packed.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + field
    header = struct.pack("<2sHI", b"II", 42, start)
    return header + data + directory + bytes(4) + values
