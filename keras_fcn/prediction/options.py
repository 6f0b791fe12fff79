"""How large tiles are and how far they overlap; nothing here needs Keras."""

from keras_fcn.typing import Size

GRID = 32  # pixels, the deepest stride, to whose multiples networks pad images
RECEPTIVE_FIELD = 404  # pixels, of fc7: 212 of the fifth pool, and six strides of 32
AUTOMATIC_TILE = (1024, 1024)
WHOLE_PIXELS = 2**22  # greater images are cut into tiles without being asked
_DEFAULT_OVERLAP = 416  # the receptive field, on the grid


def resolve_overlap(tile: Size, overlap: int | None) -> int:
    """Return the pixels that two neighbouring tiles share.

    Args:
        tile: height and width of a tile, pixels.
        overlap: what was asked for; None for 416, which covers the receptive field, or
            half the tile where that is less.

    Raises:
        ValueError: if the tile is smaller than 32, or the overlap not below it.
    """
    if min(tile) < GRID:
        raise ValueError(
            f"`tile` must be at least {GRID}x{GRID}. Received: {tile[0]}x{tile[1]}"
        )
    if overlap is None:
        return min(_DEFAULT_OVERLAP, min(tile) // 2)
    if not 0 <= overlap < min(tile):
        raise ValueError(
            f"`overlap` must be 0 or more, and below {min(tile)}, the tile's shorter "
            f"side. Received: {overlap}"
        )
    return overlap
