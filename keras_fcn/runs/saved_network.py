"""Reading `.keras` files, which others may have made to run code.

Keras imports what a file's configuration names before it looks at it. So the names are
compared with those of the networks of `keras_fcn.FCN` first, and nothing else is made.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras

from keras_fcn.errors import one_line, shortened, shown

_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_MOST_CONFIG_BYTES = 2**24  # that of FCN-8s has 30 KiB
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
    _check_classes(path, _read_config(path))
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
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if "class_name" in value or "registered_name" in value:
                names = ("module", "class_name", "registered_name")
                yield tuple(value.get(key) for key in names)
            left += value.values()
        elif isinstance(value, list):
            left += value


def _damaged(path, reason):
    text = one_line(reason) if isinstance(reason, BaseException) else reason
    return ValueError(f"{path} can't be loaded: it is damaged ({shortened(text, 160)})")
