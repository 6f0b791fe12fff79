"""Selection of the runtime of a network, and loading the network in it."""

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from keras_fcn.conversion.cache import is_converted, load_converted
from keras_fcn.conversion.options import RuntimeOptions
from keras_fcn.conversion.quantize import check_loss
from keras_fcn.conversion.startup import start_keras
from keras_fcn.runs.exported import ExportedFolder, ExportedModel
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.runs.runtimes import NAMES, PACKAGES

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

_FORMATS = {"openvino": "openvino", "onnxruntime": "onnx"}
_EXTRAS = {"openvino": "cpu", "onnx": "formats"}
_QUANTIZERS = {"openvino": "nncf", "onnx": "onnxruntime"}
# Without any of these there is no GPU or TPU, and Keras need not be imported to find
# it: NVIDIA's driver, that of Windows in WSL, AMD's driver, Google's TPUs.
_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/accel0", "/dev/vfio/0")


@dataclass(frozen=True)
class Selection:
    """A network and the runtime that computes its predictions.

    Attributes:
        network: the folder of the network.
        options: what was asked for.
        format: format of the converted network, "openvino" or "onnx"; None for Keras,
            or for an exported network, which has its own.
    """

    network: NetworkFolder
    options: RuntimeOptions
    format: str | None

    @property
    def needs_keras(self) -> bool:
        """Whether TensorFlow and Keras are imported to load the network."""
        if isinstance(self.network, ExportedFolder):
            return self.network.read_card()["format"] == "savedmodel"
        if self.format is None:
            return True
        return not is_converted(self.network, self.format, self._precision)

    @property
    def _precision(self) -> str:
        return "int8" if self.options.precision == "int8" else "float32"

    def load(self) -> "keras.Model | ExportedModel":
        """Load the network; it is converted first if that has not been done before.

        Raises:
            ValueError: if the network is damaged, or in int8 loses more than
                `max_loss`; or if it cannot be converted and `runtime` is not "auto".
            OSError: if a file is missing.
        """
        if self.format is None:
            return self._load_by_keras()
        try:
            model, card = load_converted(self.network, self.format, self._precision)
        except (ValueError, OSError, RuntimeError) as error:
            if self.options != RuntimeOptions():
                raise
            logger.warning("Predicting with Keras instead of OpenVINO: %s", error)
            return self._load_by_keras()
        if "validation" in card:
            check_loss(card["validation"], self.options.max_loss)
        suffix = " in int8" if self._precision == "int8" else ""
        logger.info("Network: %s (%s)", self.network.name, NAMES[self.format] + suffix)
        return model

    def _load_by_keras(self):
        if not isinstance(self.network, ExportedFolder):
            start_keras()
        return self.network.load_model()


def select_runtime(
    network: NetworkFolder, options: RuntimeOptions, special_modes: Sequence[str] = ()
) -> Selection:
    """Select the runtime of a network.

    Args:
        network: a run, or a packed, bundled or exported network.
        options: what is asked for.
        special_modes: `PredictionOptions.special_modes`, which require Keras.

    Raises:
        ValueError: if the runtime is not installed, does not support the modes, or is
            not that of an exported network; if an export in int8 has lost more than
            `max_loss`; or if Keras has been imported with another backend.
    """
    if isinstance(network, ExportedFolder):
        _check_exported(network, options)
        return Selection(network, options, None)
    name = options.runtime
    if name == "auto":
        name = _automatic(options, special_modes)
    format = _FORMATS.get(name)
    if format is None:
        if options.runtime != "auto":
            use_backend(name)
        return Selection(network, options, None)
    if special_modes:
        given = (("runtime", options.runtime), ("precision", options.precision))
        others = [f"`{name}` {value}" for name, value in given if value != "auto"]
        raise ValueError(
            f"{NAMES[format]} runs a network at a single scale: leave out "
            f"`{special_modes[0]}`, or {' and '.join(others)}"
        )
    option, packages = f"`runtime` {name}", [PACKAGES[format]]
    if options.precision == "int8":
        option, packages = "`precision` int8", [*packages, _QUANTIZERS[format]]
    for package in packages:
        if find_spec(package) is None:
            raise ValueError(
                f"{option} requires {package}, which is not installed: "
                f"pip install 'keras-fcn[{_EXTRAS[format]}]'"
            )
    return Selection(network, options, format)


def use_backend(name: str) -> None:
    """Select the backend of Keras, before Keras is imported.

    Args:
        name: "tensorflow" or "jax".

    Raises:
        ValueError: if JAX is not installed, or Keras has been imported with another
            backend.
    """
    if name == "jax" and find_spec("jax") is None:
        raise ValueError(
            "`runtime` jax requires JAX, which is not installed: `pip install jax`, "
            "for NVIDIA's GPUs `pip install jax[cuda12]`"
        )
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = name
        return
    import keras

    if (backend := keras.backend.backend()) != name:
        raise ValueError(
            f"`runtime` {name}: Keras runs on {backend} in this process. Set "
            f"KERAS_BACKEND={name} before it is imported"
        )


def _automatic(options, special_modes):
    """Return the fastest runtime of this machine; "keras" for Keras on its backend."""
    if options.precision == "int8":
        return "openvino"
    if special_modes or os.environ.get("KERAS_BACKEND") or not find_spec("openvino"):
        return "keras"
    return "keras" if _has_accelerator() else "openvino"


def _has_accelerator():
    if not any(Path(path).exists() for path in _ACCELERATORS):
        return False
    return start_keras()  # a GPU that the backend does not support does not count


def _check_exported(network, options):
    card = network.read_card()
    names = {format: name for name, format in _FORMATS.items()}
    names["savedmodel"] = "tensorflow"
    own = (names.get(card["format"]), card.get("precision"))
    wanted = (options.runtime, options.precision)
    if any(want not in ("auto", has) for want, has in zip(wanted, own, strict=True)):
        raise ValueError(
            f"{network.path} is an export for {NAMES[card['format']]} in "
            f"{card.get('precision')}: leave out `runtime` and `precision`, or use the "
            "run that it was exported from"
        )
    if options.precision == "int8" and "validation" in card:
        check_loss(card["validation"], options.max_loss)
