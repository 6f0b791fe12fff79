"""Loading of `.keras` files, which may be untrusted.

Keras imports the classes that a file's configuration names before it checks them. So
the names are compared with an allow-list first: the layers of `keras_fcn.FCN`. The
checks of the stored arrays are Keras's own, in its safe mode.
"""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_fcn.errors import one_line, shortened, shown

_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_MOST_CONFIG_BYTES = 2**24  # the configuration of FCN-8s has 30 KiB
# Weights that the layers may have at most, if each had as many input channels as the
# widest, for each float32 that fits into the file: 13 with the vgg head, 2 with the
# compact head.
_MOST_BOUND = 32
# What a network of `FCN` consists of, in addition to this package's own layers.
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
        path: the file, which exists.

    Raises:
        ValueError: if it is damaged or contains anything but such a network; no code
            of it has been run.
        OSError: if it can't be read.
    """
    try:
        config = _read_config(path)
        _check_classes(path, config)
        _check_sizes(path, config)
        return keras.saving.load_model(path, compile=False)
    except (MemoryError, _ForeignNetwork):
        raise
    except Exception as error:  # h5py, zipfile and Keras raise many for damaged files
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the operating system's, not h5py's
        raise ValueError(
            f"{path} can't be loaded: it is damaged ({shortened(one_line(error), 160)})"
        ) from error


class _ForeignNetwork(ValueError):
    """A network that is not one of `keras_fcn.FCN`."""


def _read_config(path):
    with zipfile.ZipFile(path) as archive:
        others = [name for name in archive.namelist() if name not in _MEMBERS]
        if others:
            raise ValueError(f"it holds {shown(others[0])}")
        if archive.getinfo("config.json").file_size > _MOST_CONFIG_BYTES:
            raise ValueError("its config.json is too large")
        return json.loads(archive.read("config.json"))


def _check_classes(path, config):
    for values in _dicts(config):
        if "class_name" not in values and "registered_name" not in values:
            continue
        keys = ("module", "class_name", "registered_name")
        module, name, registered = (values.get(key) for key in keys)
        if not isinstance(name, str) or not isinstance(module, str | None):
            raise ValueError(f"a class of the name {shown(name)}")
        is_own = registered == f"keras_fcn>{name}"
        is_own = is_own and keras.saving.get_registered_object(registered) is not None
        if not is_own and name not in _CLASSES.get(module, ()):
            raise _ForeignNetwork(
                f"{path} is no network of keras_fcn: it holds "
                f"{shortened(f'{module}.{name}')}, and nothing of it has been run"
            )


def _dicts(config) -> Iterator[dict[str, Any]]:
    """Yield all dictionaries within a configuration, without recursion."""
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += value.values()
        elif isinstance(value, list):
            left += value


def _check_sizes(path, config):
    """Refuse layers that would take far more memory than the file has bytes.

    Keras builds the layers before it compares their shapes with the stored weights.
    """
    convolutions = [
        (layer["filters"], math.prod(layer["kernel_size"]))
        for layer in _dicts(config)
        if "filters" in layer
    ]
    widest = max((filters for filters, _ in convolutions), default=0)
    num_needed = sum(filters * widest * area for filters, area in convolutions)
    num_stored = path.stat().st_size // 4  # float32
    if num_needed > _MOST_BOUND * num_stored:
        raise ValueError(
            f"its layers may need {num_needed} weights, and {num_stored} are there"
        )
