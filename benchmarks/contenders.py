"""Functions that train one step or predict one batch, for each installed runtime.

`prediction_contenders` and `training_contenders` return them by name; all use the same
weights.
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
from keras_fcn.conversion.convert import write_converted
from keras_fcn.models.fcn import FCN
from keras_fcn.models.inference import prediction_model
from keras_fcn.models.precision import use_precision
from keras_fcn.runs.exported import ExportedFolder
from keras_fcn.runs.runtimes import RUNTIMES
from keras_fcn.training.augment import make_augment
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer, fetch

logger = logging.getLogger(__name__)

NUM_CLASSES, VOID_ID = 11, 255
Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """Sizes and precision of a computation.

    Attributes:
        height: height of the images, pixels.
        width: width of the images, pixels.
        batch_size: images in a batch.
        head: "compact" or "vgg".
        precision: "float32" or "bfloat16".
        num_classes: number of classes.
    """

    height: int
    width: int
    batch_size: int
    head: str
    precision: str
    num_classes: int = NUM_CLASSES

    def make_network(self, is_fixed: bool = False) -> keras.Model:
        """Build a network with random score layers, which predicts several classes.

        Args:
            is_fixed: build it for images of this size only.
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
        """Return random images, and label maps of random blocks."""
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
    """Return functions that predict the label maps of a case, by name.

    Args:
        case: sizes and precision.
        folder: empty folder for the exported networks.
        exported: other exported networks to include, such as int8.

    Raises:
        RuntimeError: if the predictions of a runtime differ from those of Keras.
    """
    network, images = case.make_network(), case.make_batch()["image"]
    model = prediction_model(network)
    contenders = {"keras-fcn": lambda: np.asarray(model.predict_on_batch(images))}
    if find_spec("torch"):
        contenders["PyTorch"] = _torch_prediction(network, case, images)
    if find_spec("openvino"):
        write_converted(network_in_float32(case, network), folder, "openvino")
        contenders["OpenVINO"] = _openvino(folder, case.precision, images)
    if case.precision == "float32":
        for name, format, package in (
            ("ONNX Runtime", "onnx", "onnxruntime"),
            ("LiteRT", "litert", "ai_edge_litert"),
        ):
            if find_spec(package):
                write_converted(network, folder, format)
                runtime = RUNTIMES[format][1](folder)
                contenders[name] = lambda runtime=runtime: runtime.label_maps(images)
    expected = contenders["keras-fcn"]()
    for name, run in contenders.items():
        share = float(np.mean(np.asarray(run()) == expected))
        if share < (0.999 if case.precision == "float32" else 0.9):
            raise RuntimeError(
                f"{name} and Keras agree in {share:.1%} of the pixels only"
            )
    for path in exported:
        network = ExportedFolder(path).load_model()
        contenders[path.name] = lambda network=network: network.label_maps(images)
    return contenders


def training_contenders(case: Case) -> dict[str, Run]:
    """Return functions that train one step on the images of a case, by name.

    The step of keras-fcn includes augmentation and metrics, that of PyTorch does not.

    Args:
        case: sizes and precision.
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
    """Return a float32 copy of a network, for the converters.

    Args:
        case: sizes and precision.
        network: a network of any precision.
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
    """Import PyTorch without Triton: its LLVM crashes together with TensorFlow."""
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
