"""Named arrays in safetensors files: packed weights and the state of a training.

The format stores names, shapes and dtypes in a JSON header and holds no code. Reading
checks that the header describes the file exactly, so that no array can be larger than
its bytes in the file.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from keras_fcn.errors import one_line, shortened
from keras_fcn.storage.regular_files import check_is_regular

_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust words an error of the system


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a safetensors file.

    Args:
        path: a new file; a failed write may leave part of it, so that callers write
            within `atomic_file` or `atomic_folder`.
        arrays: by name; bool, integer or floating dtypes.

    Raises:
        OSError: if the file can't be written, for example because the disk is full.
    """
    # safetensors makes a file that only its owner may read, and renames it to `path`.
    path.touch()
    mode = path.stat().st_mode
    try:
        # It stores the memory of an array in Fortran order as if it were in C order.
        save_file({name: np.asarray(a, order="C") for name, a in arrays.items()}, path)
    except SafetensorError as error:
        number = _OS_ERROR.search(str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    path.chmod(mode)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of a safetensors file by name.

    Args:
        path: the file.

    Raises:
        ValueError: if it is missing, damaged or no regular file; names it.
    """
    try:
        check_is_regular(path)
        return load_file(path)
    # TypeError, AttributeError: a dtype of the format that NumPy lacks, such as F4.
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = shortened(one_line(error), 160)
        raise ValueError(
            f"{path} can't be loaded: it is missing or damaged ({reason})"
        ) from error
