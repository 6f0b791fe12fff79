"""HDF5 files of others: no array is larger than what is stored of it."""

import math

import h5py

# Weights hardly shrink when they are compressed; a bomb does by a factor of 1,000.
MOST_SHRUNK = 16
_SMALL = 2**20  # bytes: biases of zeros shrink more, and do no harm


def check_arrays(group: h5py.Group) -> int:
    """Refuse arrays that would take far more memory than their bytes in the file.

    Args:
        group: a file, or a part of one.

    Returns:
        How many numbers its arrays hold.

    Raises:
        ValueError: if one announces more, or lies in another file.
    """
    num_values = 0

    def check(name, item):
        nonlocal num_values
        if not isinstance(item, h5py.Dataset):
            return
        if item.is_virtual or item.external:
            raise ValueError(f"its array {name} lies in another file")
        stored = item.id.get_storage_size()
        if item.nbytes > max(_SMALL, MOST_SHRUNK * stored):
            raise ValueError(
                f"its array {name} announces {item.nbytes} bytes, and {stored} are "
                "there"
            )
        num_values += math.prod(item.shape)

    group.visititems(check)
    return num_values
