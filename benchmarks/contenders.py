"""What is compared: functions that train one step, or label one batch, by each runtime.

Each of `prediction_contenders` and `training_contenders` gives them by name, for the
packages that are installed; all have the same weights.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.models.fcn import FCN
from keras_fcn.models.inference import prediction_model
from keras_fcn.models.precision import use_precision
from keras_fcn.runs.exported import ExportedFolder
from keras_fcn.runs.runtimes import RUNTIMES
from keras_fcn.serving.convert import write_converted
from keras_fcn.serving.options import ExportOptions
from keras_fcn.training.augment import make_augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch

logger = logging.getLogger(__name__)

NUM_CLASSES, VOID_ID = 11, 255
Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What is computed.

    Attributes:
        height: of the images, pixels.
        width: likewise.
        batch_size: images at a time.
        head: "compact" or "vgg".
        precision: "float32" or "bfloat16".
        num_classes: classes that are scored.
    """

    height: int
    width: int
    batch_size: int
    head: str
    precision: str
    num_classes: int = NUM_CLASSES

    def make_network(self, is_fixed: bool = False) -> keras.Model:
        """Build the network; its scores are drawn, so that it labels several classes.

        Args:
            is_fixed: for images of this size alone.
        """
        keras.utils.set_random_seed(0)
        size = (self.height, self.width) if is_fixed else (None, None)
        with use_precision(self.precision):
            network = FCN(
                "8s", self.num_classes, self.head, None, input_shape=(*size, 3)
            )
        for layer in network.layers:
            if layer.name.startswith("score_"):
                kernel = np.random.default_rng(0).normal(size=layer.kernel.shape)
                layer.kernel.assign(0.1 * kernel)
        return network

    def make_batch(self) -> dict[str, np.ndarray]:
        """Draw images, and labels in blocks."""
        rng = np.random.default_rng(0)
        rows, columns = self.height // 16 + 1, self.width // 16 + 1
        blocks = rng.integers(0, self.num_classes, (self.batch_size, rows, columns))
        labels = blocks.repeat(16, axis=1).repeat(16, axis=2)
        shape = (self.batch_size, self.height, self.width)
        return {
            "image": rng.integers(0, 256, (*shape, 3), "uint8"),
            "label_map": labels[:, : self.height, : self.width].astype("uint8"),
            "size": np.full((self.batch_size, 2), shape[1:], "int32"),
        }


def prediction_contenders(
    case: Case, folder: Path, exported: list[Path]
) -> dict[str, Run]:
    """Return functions that label the images of a case, by name.

    Args:
        case: what is computed.
        folder: empty; the formats of other runtimes are written there.
        exported: exported networks to run as well, as in int8.

    Raises:
        RuntimeError: if one labels otherwise than Keras.
    """
    network, images = case.make_network(), case.make_batch()["image"]
    model = prediction_model(network)
    contenders = {"keras-fcn": lambda: np.asarray(model.predict_on_batch(images))}
    if find_spec("torch"):
        contenders["PyTorch"] = _torch_prediction(network, case, images)
    if find_spec("openvino"):
        write_converted(
            network_in_float32(case, network), folder, ExportOptions(format="openvino")
        )
        contenders["OpenVINO"] = _openvino(folder, case.precision, images)
    if case.precision == "float32":
        for name, format, package in (
            ("ONNX Runtime", "onnx", "onnxruntime"),
            ("LiteRT", "litert", "ai_edge_litert"),
        ):
            if find_spec(package):
                write_converted(network, folder, ExportOptions(format=format))
                runtime = RUNTIMES[format][1](folder)
                contenders[name] = lambda runtime=runtime: runtime.label_maps(images)
    expected = contenders["keras-fcn"]()
    for name, run in contenders.items():
        share = float(np.mean(np.asarray(run()) == expected))
        if share < (0.999 if case.precision == "float32" else 0.9):
            raise RuntimeError(f"{name} labels {share:.1%} of the pixels as Keras does")
    for path in exported:
        network = ExportedFolder(path).load_model()
        contenders[path.name] = lambda network=network: network.label_maps(images)
    return contenders


def training_contenders(case: Case) -> dict[str, Run]:
    """Return functions that train one step on the images of a case, by name.

    keras-fcn's step augments and counts the confusion matrix; PyTorch's is bare.

    Args:
        case: what is computed.
    """
    network, batch = case.make_network(), case.make_batch()
    config = TrainingConfig(learning_rate=1e-5, encoder_rate=0.2)
    augment = make_augment(config, (case.height, case.width), VOID_ID)
    trainer = Trainer(network, augment, case.num_classes, VOID_ID)
    trainer.compile(optimizer=make_optimizer(config, 100), jit_compile=False)
    trainer.build()
    tensors = {key: keras.ops.convert_to_tensor(batch[key]) for key in batch}

    def step():
        with trainer.epoch() as train_on:
            return fetch(train_on(tensors))

    contenders = {"keras-fcn": step}
    if find_spec("torch"):
        contenders["PyTorch"] = _torch_training(network, case, batch)
    return contenders


def network_in_float32(case: Case, network: keras.Model) -> keras.Model:
    """Return the network with its weights, to be written by a converter.

    Args:
        case: what is computed.
        network: of any precision.
    """
    if case.precision == "float32":
        return network
    copy = Case(**{**vars(case), "precision": "float32"}).make_network()
    copy.set_weights(network.get_weights())
    return copy


def _openvino(folder, precision, images):
    import openvino as ov

    core = ov.Core()
    model = core.read_model(folder / "model.xml")
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    return lambda: compiled(images.astype("float32"))[0].argmax(axis=-1)


def _import_torch():
    """PyTorch without Triton, whose LLVM and TensorFlow's end each other's process."""
    sys.modules.setdefault("triton", None)
    return import_module("torch")


def _torch_prediction(network, case, images):
    torch = _import_torch()
    from benchmarks.torch_fcn import TorchFCN

    copy = TorchFCN(network, case.precision == "bfloat16").eval()

    def run():
        with torch.inference_mode():
            image = torch.from_numpy(images).permute(0, 3, 1, 2).float()
            return copy(image).argmax(1).numpy()

    return run


def _torch_training(network, case, batch):
    torch = _import_torch()
    from benchmarks.torch_fcn import TorchFCN

    copy = TorchFCN(network, case.precision == "bfloat16").train()
    optimizer = torch.optim.AdamW(copy.parameters(), 1e-5, fused=True)
    image = torch.from_numpy(batch["image"]).permute(0, 3, 1, 2).float()
    label_map = torch.from_numpy(batch["label_map"]).long()

    def run():
        optimizer.zero_grad()
        logits = copy(image)
        loss = torch.nn.functional.cross_entropy(
            logits, label_map, ignore_index=VOID_ID
        )
        loss.backward()
        optimizer.step()
        return float(loss)

    return run
