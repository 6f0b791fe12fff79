"""The runtimes of exported networks behind a common interface.

The package of a runtime is imported when a network of its format is opened. A network
maps `image`, float32 RGB in [0, 255] `(batch, height, width, 3)`, to probabilities.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

# OpenVINO and NNCF send usage statistics when they are imported and used, each from a
# fork of this process. They do without this package where it is not installed.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class MissingRuntime(ValueError):
    """A runtime's package is not installed."""


class Runtime(ABC):
    """A network in the runtime of its format.

    Attributes:
        num_classes: channels of the probabilities.
        shape: `(batch, height, width)` of the images; None for a free length.
    """

    num_classes: int
    shape: tuple[int | None, ...] = (None, None, None)

    @abstractmethod
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`.

        Args:
            images: RGB, uint8 or float in [0, 255], `(batch, height, width, 3)`.
        """

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return the class ids, uint8 `(batch, height, width)`.

        Args:
            images: as for `probabilities`.
        """
        return self.probabilities(images).argmax(axis=-1).astype("uint8")


class OpenVino(Runtime):
    """OpenVINO on the CPU; layers that are not int8 use the fastest type of the CPU."""

    def __init__(self, path: Path):
        ov = _import("openvino")
        self._core = ov.Core()
        self._model = self._core.read_model(path / "model.xml")
        self.num_classes = self._model.output(0).partial_shape[-1].get_length()
        shape = self._model.input(0).partial_shape
        self.shape = _fixed(
            length.get_length() if length.is_static else None for length in shape
        )
        self._compiled: dict[Callable, Any] = {}

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._run(images, _first_output)

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`."""
        return self._run(images, _largest_output)[..., 0].astype("uint8")

    def _run(self, images, output_of):
        """Compute an output with a model that is compiled on its first use."""
        if output_of not in self._compiled:
            ov = _import("openvino")
            model = ov.Model([output_of(self._model)], self._model.get_parameters())
            threads = {"INFERENCE_NUM_THREADS": n} if (n := _num_threads()) else {}
            self._compiled[output_of] = self._core.compile_model(model, "CPU", threads)
        return self._compiled[output_of](images.astype("float32"))[0]


def _first_output(model):
    return model.output(0).get_node().input_value(0)


def _largest_output(model):
    """Arg-max in the graph, which is faster than on the returned probabilities."""
    opset = _import("openvino.opset16")
    values = _first_output(model)
    if values.get_node().get_type_name() == "Softmax":  # it does not change the order
        values = values.get_node().input_value(0)
    return opset.topk(values, 1, -1, "max", "none", index_element_type="i32").output(1)


class Onnx(Runtime):
    """ONNX Runtime on the CPU."""

    def __init__(self, path: Path):
        runtime = _import("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors only
        options.intra_op_num_threads = _num_threads() or 0  # 0: one for each core
        self._session = runtime.InferenceSession(
            path / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        (image,) = self._session.get_inputs()
        self._name, self.shape = image.name, _fixed(image.shape)
        self.num_classes = self._session.get_outputs()[0].shape[-1]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._session.run(None, {self._name: images.astype("float32")})[0]


class LiteRt(Runtime):
    """LiteRT on the CPU."""

    def __init__(self, path: Path):
        module = _import("ai_edge_litert.interpreter")
        self._interpreter = module.Interpreter(
            str(path / "model.tflite"), num_threads=_num_threads() or os.cpu_count()
        )
        self._shape: tuple[int, ...] | None = None  # of the allocated tensors
        (image,) = self._interpreter.get_input_details()
        self.shape = _fixed(image["shape_signature"])
        (output,) = self._interpreter.get_output_details()
        self.num_classes = int(output["shape"][-1])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        interpreter = self._interpreter
        place = interpreter.get_input_details()[0]["index"]
        if images.shape != self._shape:
            interpreter.resize_tensor_input(place, images.shape)
            interpreter.allocate_tensors()
            self._shape = images.shape
        interpreter.set_tensor(place, images.astype("float32"))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


class SavedModel(Runtime):
    """TensorFlow; the signatures `label_map` and `probabilities`."""

    def __init__(self, path: Path):
        self._tf = _import("tensorflow")
        self._loaded = self._tf.saved_model.load(str(path))  # keeps the variables alive
        outputs = self._loaded.signatures["probabilities"].structured_outputs
        self.num_classes = outputs["probabilities"].shape[-1]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._run("probabilities", images)

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`."""
        return self._run("label_map", images)

    def _run(self, signature, images):
        image = self._tf.constant(images.astype("uint8"))
        return self._loaded.signatures[signature](image=image)[signature].numpy()


# By format: the file that is opened, and the runtime.
RUNTIMES: dict[str, tuple[str, Callable[[Path], Runtime]]] = {
    "openvino": ("model.xml", OpenVino),
    "onnx": ("model.onnx", Onnx),
    "litert": ("model.tflite", LiteRt),
    "savedmodel": ("saved_model.pb", SavedModel),
}


def _num_threads():
    """Return OMP_NUM_THREADS, which other runtimes read too; None if it is not set."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() and int(value) else None


def _fixed(shape):
    """Return batch, height and width of an input; None if symbolic or negative."""
    return tuple(
        int(length) if isinstance(length, int | np.integer) and length > 0 else None
        for length in list(shape)[:3]
    )


def _import(name: str) -> ModuleType:
    """Import the package of a runtime.

    Raises:
        MissingRuntime: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingRuntime(
            f"This exported network requires {name.partition('.')[0]}, which is not "
            f"installed: pip install 'keras-fcn[formats]' ({error})"
        ) from error
