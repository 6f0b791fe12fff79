"""The runtimes of exported networks behind a common interface.

The package of a runtime is imported when a network of its format is opened. A network
maps `image`, float32 RGB in [0, 255] `(batch, height, width, 3)`, to probabilities.
"""

import os
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from keras_fcn.typing import Size

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
        num_parallel: number of threads that may call the methods at the same time.
        resizes_logits: whether `resized_label_maps` is available.
    """

    num_classes: int
    shape: tuple[int | None, ...] = (None, None, None)
    num_parallel: int = 1
    resizes_logits: bool = False

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

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`.

        Their softmax is the probabilities: logits up to a constant for each pixel.

        Args:
            images: as for `probabilities`.
        """
        # The logarithm is finite also where a probability is 0.
        return np.log(np.maximum(self.probabilities(images), np.finfo("float32").tiny))

    def resized_label_maps(self, images: np.ndarray, size: Size) -> np.ndarray:
        """Return the class ids of bilinearly resized logits, uint8 `(batch, *size)`.

        Only if `resizes_logits`.

        Args:
            images: as for `probabilities`.
            size: height and width, pixels.
        """
        raise NotImplementedError


class OpenVino(Runtime):
    """OpenVINO on the CPU; layers that are not int8 use the fastest type of the CPU."""

    num_parallel, resizes_logits = 2, True

    def __init__(self, path: Path):
        ov = _import("openvino")
        # The first access to the data of a tensor deadlocks in two threads at a time.
        ov.Tensor(np.zeros(1)).data.sum()
        self._core = ov.Core()
        self._model = self._core.read_model(path / "model.xml")
        self.num_classes = self._model.output(0).partial_shape[-1].get_length()
        shape = self._model.input(0).partial_shape
        self.shape = _fixed(
            length.get_length() if length.is_static else None for length in shape
        )
        self._compiled: dict[Callable, Any] = {}
        self._compiling = threading.Lock()
        # A request serves one thread at a time, and keeps the memory of its layers.
        self._idle: dict[Callable, list[Any]] = {}

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._run(_probabilities, images)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._run(_logits, images)

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`."""
        return self._run(_label_maps, images)

    def resized_label_maps(self, images: np.ndarray, size: Size) -> np.ndarray:
        """Return class ids, uint8 `(batch, *size)`."""
        with (
            self._request(_channels_first) as network,
            self._request(_resize) as resize,
        ):
            network.infer([images.astype("float32")])
            return resize.infer([network.get_output_tensor(), np.array(size)])[0]

    def _run(self, make_graph, images):
        with self._request(make_graph) as request:
            return request.infer([images.astype("float32")])[0]

    @contextmanager
    def _request(self, make_graph: Callable) -> Iterator[Any]:
        """Lend a request of a graph, which is compiled on its first use."""
        with self._compiling:
            if make_graph not in self._compiled:
                graph, settings = make_graph(self._model)
                if threads := _num_threads():
                    settings["INFERENCE_NUM_THREADS"] = threads
                self._compiled[make_graph] = self._core.compile_model(
                    graph, "CPU", settings
                )
        idle = self._idle.setdefault(make_graph, [])
        try:
            request = idle.pop()
        except IndexError:
            request = self._compiled[make_graph].create_infer_request()
        yield request
        idle.append(request)


# OpenVINO's graphs, from the model in the file, and the settings to compile them.


def _probabilities(model):
    return _graph(model, _output(model)), {}


def _logits(model):
    return _graph(model, _logits_output(model)), {}


def _label_maps(model):
    return _graph(model, _largest(_logits_output(model), axis=3)), {}


def _channels_first(model):
    """Logits `(N, C, H, W)`: OpenVINO removes transpositions that cancel out."""
    opset = _import("openvino.opset16")
    logits = opset.transpose(_logits_output(model), np.array([0, 3, 1, 2]))
    return _graph(model, logits.output(0)), {}


def _resize(model):
    """From logits and a size. In the graph of the network it would be slower.

    There, OpenVINO would also compute the upsampling in bfloat16, for which it has no
    fast kernel.
    """
    opset = _import("openvino.opset16")
    logits = opset.parameter([-1, -1, -1, -1], np.float32)  # (N, C, H, W)
    size = opset.parameter([2], np.int64)
    resized = opset.interpolate(
        logits,
        size,
        "linear_onnx",
        "sizes",
        axes=[2, 3],
        coordinate_transformation_mode="half_pixel",
    )
    ids = _largest(resized.output(0), axis=1)
    graph = _import("openvino").Model([ids], [logits, size])
    return graph, {"INFERENCE_PRECISION_HINT": "f32"}


def _graph(model, output):
    return _import("openvino").Model([output], model.get_parameters())


def _output(model):
    return model.output(0).get_node().input_value(0)


def _logits_output(model):
    values = _output(model)
    if values.get_node().get_type_name() == "Softmax":
        return values.get_node().input_value(0)
    return _import("openvino.opset16").log(values).output(0)


def _largest(logits, axis):
    """Arg-max in the graph, which is faster than on the returned logits."""
    opset = _import("openvino.opset16")
    (_, ids) = opset.topk(
        logits, 1, axis, "max", "none", index_element_type="i32"
    ).outputs()
    return opset.convert(opset.squeeze(ids, [axis]), "u8").output(0)


class Onnx(Runtime):
    """ONNX Runtime on the CPU."""

    num_parallel = 2

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


NAMES = {
    "openvino": "OpenVINO",
    "onnx": "ONNX Runtime",
    "litert": "LiteRT",
    "savedmodel": "TensorFlow",
}
PACKAGES = {"openvino": "openvino", "onnx": "onnxruntime"}  # to import


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
