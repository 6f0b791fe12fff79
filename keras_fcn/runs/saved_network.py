"""Reading `.keras` files, which others may have made to run code.

Keras imports what a file's configuration names before it looks at it. So the names are
compared with those of the networks of `keras_fcn.FCN` first, and nothing else is made.
Nor is a network built that would need far more memory than the file has weights for.
"""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

from keras_fcn.errors import one_line, shortened, shown
from keras_fcn.storage.hdf5 import MOST_SHRUNK, check_arrays

_WEIGHTS = "model.weights.h5"
_MEMBERS = {"metadata.json", "config.json", _WEIGHTS}
_MOST_CONFIG_BYTES = 2**24  # that of FCN-8s has 30 KiB
# Numbers that the layers could have by the widest of them, for each that is stored: 13
# with the vgg head, 2 with the compact one.
_MOST_BOUND = 32
# What a network of FCN is made of besides this package's own layers.
_CLASSES = {
    "keras": ("DTypePolicy",),
    "keras.initializers": ("GlorotUniform", "HeNormal", "Ones", "Zeros"),
    "keras.layers": (
        "Add",
        "BatchNormalization",
        "Conv2D",
        "Conv2DTranspose",
        "Dropout",
        "InputLayer",
        "MaxPooling2D",
        "Rescaling",
        "UpSampling2D",
        "ZeroPadding2D",
    ),
    "keras.src.models.functional": ("Functional",),
    None: ("__keras_tensor__",),
}


def load_network(path: Path) -> keras.Model:
    """Load a network of `keras_fcn.FCN` from a `.keras` file.

    Args:
        path: the file, which is there.

    Raises:
        ValueError: if it is damaged, or holds anything else than such a network, of
            which nothing has been run.
        OSError: if it can't be read.
    """
    config = _read_config(path)
    _check_classes(path, config)
    _check_sizes(path, config)
    try:
        return keras.saving.load_model(path, compile=False)
    except MemoryError:
        raise
    except Exception as error:  # of h5py, zipfile, Keras: it has been looked at
        raise _damaged(path, error) from error


def _read_config(path):
    try:
        with zipfile.ZipFile(path) as archive:
            others = [name for name in archive.namelist() if name not in _MEMBERS]
            if others:
                raise ValueError(f"it holds {shown(others[0])}")
            if archive.getinfo("config.json").file_size > _MOST_CONFIG_BYTES:
                raise ValueError("its config.json is too large")
            return json.loads(archive.read("config.json"))
    except OSError:
        raise
    except Exception as error:  # zipfile has many for one that is damaged
        raise _damaged(path, error) from error


def _check_classes(path, config):
    for module, name, registered in _named_classes(config):
        if not isinstance(name, str) or not isinstance(module, str | None):
            raise _damaged(path, f"a class of the name {shown(name)}")
        is_own = registered == f"keras_fcn>{name}"
        is_own = is_own and keras.saving.get_registered_object(registered) is not None
        if not is_own and name not in _CLASSES.get(module, ()):
            raise ValueError(
                f"{path} is no network of keras_fcn: it holds "
                f"{shortened(f'{module}.{name}')}, and nothing of it has been run"
            )


def _named_classes(config) -> Iterator[tuple[object, object, object]]:
    """Module, name and registered name of every class in a configuration."""
    for value in _dicts(config):
        if "class_name" in value or "registered_name" in value:
            names = ("module", "class_name", "registered_name")
            yield tuple(value.get(key) for key in names)


def _dicts(config) -> Iterator[dict]:
    """All dictionaries within a configuration."""
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value


def _check_sizes(path, config):
    """Refuse what would take far more memory than the file's own bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(_WEIGHTS)
            if member.file_size > MOST_SHRUNK * member.compress_size:
                raise ValueError(f"its {_WEIGHTS} unpacks to {member.file_size} bytes")
            with archive.open(_WEIGHTS) as stored, h5py.File(stored) as weights:
                num_stored = check_arrays(weights)
        convolutions = [
            (layer["filters"], math.prod(layer["kernel_size"]))
            for layer in _dicts(config)
            if "filters" in layer
        ]
        widest = max((filters for filters, _ in convolutions), default=0)
        needed = sum(filters * widest * area for filters, area in convolutions)
        if needed > _MOST_BOUND * num_stored:
            raise ValueError(
                f"its layers may need {needed} weights, and {num_stored} are there"
            )
    except MemoryError:
        raise
    except Exception as error:  # of zipfile and h5py, or of what is no number
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's, not h5py's
        raise _damaged(path, error) from error


def _damaged(path, reason):
    text = one_line(reason) if isinstance(reason, BaseException) else reason
    return ValueError(f"{path} can't be loaded: it is damaged ({shortened(text, 160)})")
