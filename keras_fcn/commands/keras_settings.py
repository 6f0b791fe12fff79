"""Settings of Keras for the whole machine: `keras.json` and KERAS_BACKEND."""

import json
import logging
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keras_fcn.errors import did_you_mean, shown

logger = logging.getLogger(__name__)

_BACKENDS = ("tensorflow", "jax")
_VALUES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}


def choose_backend() -> str:
    """Return the backend, and set KERAS_BACKEND if `keras.json` names another one.

    Returns:
        "tensorflow" or "jax".

    Raises:
        ValueError: if KERAS_BACKEND is another backend or one that is not installed, or
            Keras could not be imported because of `keras.json`.
    """
    path, values = _read_settings()
    if backend := os.environ.get("KERAS_BACKEND"):
        if backend not in _BACKENDS:
            raise ValueError(
                f"KERAS_BACKEND must be {' or '.join(_BACKENDS)}, got {backend}"
                + did_you_mean(backend, _BACKENDS)
            )
        if backend == "jax" and find_spec("jax") is None:
            raise ValueError(
                "KERAS_BACKEND=jax requires JAX, which is not installed: `pip install "
                "jax`, for NVIDIA's GPUs `pip install jax[cuda12]`"
            )
        return backend
    backend = values.get("backend", "tensorflow")
    if backend == "tensorflow":
        return backend
    if backend != "jax" or find_spec("jax") is None:
        why = "is not installed" if backend == "jax" else "keras-fcn does not support"
        logger.warning(
            "%s sets the backend %s, which %s: TensorFlow is used", path, backend, why
        )
        backend = "tensorflow"
    os.environ["KERAS_BACKEND"] = backend  # Keras would import that of the file
    return backend


def _read_settings() -> tuple[Path, dict[str, Any]]:
    """Path and values of `keras.json`; no values if it is missing or no JSON."""
    folder = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    path = Path(folder, "keras.json")
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return path, {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: expected settings of Keras, got {shown(values)}")
    for name, choices in _VALUES.items():
        if values.get(name, choices[0]) not in choices:
            raise ValueError(
                f"{path}: {name} must be one of {', '.join(choices)}, "
                f"got {shown(values[name])}"
            )
    if not isinstance(values.get("epsilon", 1e-7), float):
        raise ValueError(
            f"{path}: epsilon must be a float, got {shown(values['epsilon'])}"
        )
    return path, values
