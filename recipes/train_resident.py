"""Train by recipes with all images in the memory of one device, on JAX.

    python recipes/train_resident.py recipes/camvid-1-streets.toml \\
        recipes/camvid-2.toml --mix-streets 12000 --data-dir data/CamVid \\
        --weights notop.h5 --output fcn8s.npz

A small data set such as CamVid (254 MB as uint8) need not stream: here an epoch is
one compiled program, and on a data-centre GPU a training takes minutes. It needs JAX,
Keras, NumPy, OpenCV, Pillow and h5py, and no TensorFlow. Network, loss, augmentation,
optimizer and options are those of `keras-fcn train`; the order of the images and what
is drawn are others, so a seed gives another network. Of several recipes each starts
from the network of the one before. `recipes/pack_resident.py` makes a packed network
of the weights.
"""

import argparse
import dataclasses
import fnmatch
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).parents[1]))

import jax
import jax.numpy as jnp
import keras
import numpy as np
from PIL import Image
from recipes.inference_size import NATIVE, scaled_from_native, seen_at

from keras_fcn.commands.recipes import read_recipe
from keras_fcn.config import VARIANTS, TrainingConfig
from keras_fcn.evaluation.metrics import count_on_device, segmentation_scores
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.models.fcn import build_network
from keras_fcn.models.precision import resolve_precision, use_precision
from keras_fcn.models.weights import transfer_weights, variables_by_name
from keras_fcn.training.augment import make_augment
from keras_fcn.training.class_weights import class_weights_from_counts
from keras_fcn.training.optimizer import make_optimizer
from keras_fcn.training.trainer import Trainer

logger = logging.getLogger("train_resident")

NUM_CLASSES, VOID = 11, 11
_SCORED_AT_ONCE = 8  # images
_RENDER = """
import sys, cv2, numpy
from street_rendering import render_street
cv2.setNumThreads(1)
first, count, height, width = map(int, sys.argv[1:5])
scenes = [render_street(0, n, height, width) for n in range(first, first + count)]
images, label_maps = zip(*scenes)
numpy.savez(sys.argv[5], image=numpy.stack(images), label_map=numpy.stack(label_maps))
"""


@dataclasses.dataclass(frozen=True)
class Images:
    """Images and label maps of one size, uint8 `(N, H, W, 3)` and `(N, H, W)`."""

    image: np.ndarray
    label_map: np.ndarray

    def __len__(self):
        return len(self.image)

    def on_device(self) -> "Images":
        """The same in the device's memory."""
        return Images(jnp.asarray(self.image), jnp.asarray(self.label_map))


class LossTrainer(Trainer):
    """A trainer that tells the loss alone, and scores no training crops."""

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {"loss": self.epoch_loss.result()}


def main(argv: list[str] | None = None) -> None:
    """Train, and write the weights.

    Args:
        argv: the flags.
    """
    arguments = _parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    allow_memory_growth()
    if arguments.val_pattern:
        held_out = load_camvid(arguments.data_dir, "train", arguments.val_pattern)
        validation = Images(held_out.image[::2], held_out.label_map[::2])
    else:
        validation = load_camvid(arguments.data_dir, "val")
    changes = dict(text.split("=", 1) for text in arguments.set)
    network = None
    for path in arguments.recipes:
        is_last = path == arguments.recipes[-1]
        config = read_config(path, arguments, changes if is_last else {})
        streets = None
        if config.dataset == "streets":
            images = load_streets(arguments, config.num_images, config.image_size)
        else:
            images = load_camvid(
                arguments.data_dir, "train", arguments.val_pattern, is_wanted=False
            )
            if arguments.mix_streets:
                size = images.image.shape[1:3]
                streets = load_streets(arguments, arguments.mix_streets, size)
        trainer = make_trainer(config, images, arguments.weights, network)
        side = config.size or NATIVE
        score = partial(compile_scores(trainer.network, side), validation)
        train(trainer, config, images, streets, score, path.stem)
        network = trainer.network
    with arguments.output.open("wb") as file:
        np.savez(file, **float16_kernels(network))


def read_config(path: Path, arguments, changes: dict[str, str]) -> TrainingConfig:
    """Read a recipe, and put the flags over it."""
    values = read_recipe(path)
    values |= {name: json.loads(value) for name, value in changes.items()}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    config = seen_at(TrainingConfig(**values), arguments.size)
    return dataclasses.replace(
        config,
        variant=arguments.variant,
        seed=arguments.seed,
        precision=resolve_precision(config.precision),
    )


def load_camvid(
    folder: Path, split: str, pattern: str | None = None, is_wanted: bool = True
) -> Images:
    """Read a split of CamVid in its published layout.

    Args:
        folder: holds `train/`, `trainannot/` and so on; any format that Pillow reads.
        split: its name.
        pattern: of the names; None for all.
        is_wanted: take the images whose names match; False for the others.
    """
    paths = [
        path
        for path in sorted((folder / split).iterdir())
        if pattern is None or fnmatch.fnmatch(path.stem, pattern) == is_wanted
    ]
    labels = [folder / f"{split}annot" / f"{path.stem}.png" for path in paths]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    return Images(
        np.stack(images), np.stack([np.asarray(Image.open(path)) for path in labels])
    )


def load_streets(arguments, count: int, size: tuple[int, int]) -> Images:
    """Read the first `count` streets; render them first where they are missing."""
    folder = arguments.streets_dir / f"{count}-{size[0]}x{size[1]}"
    if not folder.is_dir():
        _render_streets(folder, count, size)
    parts = [np.load(path) for path in sorted(folder.glob("*.npz"))]
    return Images(
        *(
            np.concatenate([part[name] for part in parts])
            for name in ("image", "label_map")
        )
    )


def _render_streets(folder, count, size):
    """Render with all cores, each a share of the scenes; the folder appears whole."""
    part = folder.with_name(f"{folder.name}-part-{os.getpid()}")
    part.mkdir(parents=True)
    share = -(-count // (os.cpu_count() or 1))
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    processes = []
    for first in range(0, count, share):
        numbers = (first, min(share, count - first), *size)
        command = [sys.executable, "-c", _RENDER, *map(str, numbers)]
        command.append(str(part / f"{first:08}.npz"))
        processes.append(subprocess.Popen(command, env=environment))
    if any(process.wait() for process in processes):
        raise RuntimeError("street_rendering has failed")
    part.rename(folder)


def make_trainer(
    config: TrainingConfig, images: Images, weights: str, start: keras.Model | None
) -> LossTrainer:
    """Build a network and what trains it.

    Args:
        config: the training.
        images: of its own data set, which the class weights are counted in.
        weights: VGG16's file or "none"; for the first recipe.
        start: the network of the recipe before, or None.
    """
    keras.utils.set_random_seed(config.seed)
    with use_precision(config.precision):
        is_random = start is not None or weights == "none"
        network = build_network(
            Architecture.from_config(config, NUM_CLASSES),
            None if is_random else weights,
        )
    if start is not None:
        transfer_weights(start, network)
    trainer = LossTrainer(
        network,
        make_augment(scaled_from_native(config), config.crop, VOID),
        NUM_CLASSES,
        VOID,
        _class_weights(config.class_weights, images.label_map),
    )
    trainer.compile(optimizer=make_optimizer(config, _num_steps(config, images)))
    trainer.build()
    trainer.optimizer.build(trainer.trainable_variables)
    return trainer


def _class_weights(method, label_maps):
    counts = np.stack(
        [np.bincount(m.ravel(), minlength=256)[:NUM_CLASSES] for m in label_maps]
    )
    around = (counts > 0).sum(axis=0) * label_maps[0].size
    return class_weights_from_counts(method, counts.sum(axis=0), around)


def _num_steps(config, images):
    return -(-len(images) // config.batch_size)


def train(
    trainer: LossTrainer,
    config: TrainingConfig,
    images: Images,
    streets: Images | None,
    score: Callable[[], dict[str, float]],
    name: str,
) -> None:
    """Train for the epochs of a recipe; print a line of JSON after every tenth.

    Args:
        trainer: of `make_trainer`.
        config: the training.
        images: an epoch goes through all of them once.
        streets: a step takes as many of these besides; None for none.
        score: gives the scores so far.
        name: the recipe's.
    """
    sources = [source.on_device() for source in (images, streets) if source is not None]
    run_epoch = _compile_epoch(trainer)
    num_steps, began, compiled = _num_steps(config, images), time.monotonic(), None
    for epoch in range(1, config.epochs + 1):
        draws = np.random.default_rng((config.seed, epoch))
        trainer.seed_draws(draws)
        trainer.reset_metrics()
        orders = [
            # the last step filled up with the first images of the order
            np.resize(draws.permutation(len(source)), num_steps * config.batch_size)
            for source in sources
        ]
        pixels = [(source.image, source.label_map) for source in sources]
        steps = [order.reshape(num_steps, config.batch_size) for order in orders]
        state, losses = run_epoch(_state(trainer), pixels, steps)
        _put_state(trainer, state)
        loss = float(losses[-1])
        compiled = compiled or time.monotonic()
        if not np.isfinite(loss):
            raise FloatingPointError(f"The loss of epoch {epoch} is {loss}")
        if epoch % 10 and epoch != config.epochs:
            continue
        seconds = max(time.monotonic() - compiled, 1e-3)
        num_images = (epoch - 1) * num_steps * config.batch_size * len(sources)
        line = {
            "recipe": name,
            "variant": config.variant,
            "seed": config.seed,
            "epoch": epoch,
            "loss": round(loss, 4),
            "first_epoch_s": round(compiled - began, 1),
            "images_per_s": round(num_images / seconds),
            **score(),
            "seconds": round(time.monotonic() - began, 1),
        }
        print(json.dumps(line), flush=True)


def _groups(trainer):
    """The variables of a trainer as Keras's stateless steps take them."""
    return (
        trainer.trainable_variables,
        trainer.non_trainable_variables,
        trainer.optimizer.variables,
        trainer.metrics_variables,
    )


def _state(trainer):
    return tuple([v.value for v in group] for group in _groups(trainer))


def _put_state(trainer, state):
    for group, values in zip(_groups(trainer), state, strict=True):
        for variable, value in zip(group, values, strict=True):
            variable.assign(value)


def _compile_epoch(trainer):
    """A compiled function of state, sources and orders, to state and losses."""

    def step(sources, state, indices):
        pairs = zip(sources, indices, strict=True)
        taken = [(image[i], label_map[i]) for (image, label_map), i in pairs]
        # (N, H, W, 3) and (N, H, W), of all sources
        image, label_map = (
            jnp.concatenate(arrays) for arrays in zip(*taken, strict=True)
        )
        size = jnp.array(label_map.shape[1:], "int32")
        batch = {
            "image": image,
            "label_map": label_map,
            "size": jnp.broadcast_to(size, (len(image), 2)),
        }
        scores, state = trainer.train_step(state, (batch,))
        return tuple(state), scores["loss"]

    def run(state, sources, orders):
        return jax.lax.scan(lambda *carried: step(sources, *carried), state, orders)

    return jax.jit(run, donate_argnums=0)


def compile_scores(
    network: keras.Model, side: int
) -> Callable[[Images], dict[str, float]]:
    """Return a function of images to the scores of the network.

    Args:
        network: what is trained.
        side: shorter side of an image as the network sees it, pixels.
    """

    def count(weights, state, image, label_map):
        seen = [round(side / NATIVE * length) for length in label_map.shape[1:]]
        image = jax.image.resize(
            image.astype("float32"), (len(image), *seen, 3), "linear"
        )
        logits, _ = network.stateless_call(weights, state, image, training=False)
        # (N, H, W, C), of the label map's size
        logits = jax.image.resize(logits, (*label_map.shape, NUM_CLASSES), "linear")
        return count_on_device(label_map, logits.argmax(axis=-1), NUM_CLASSES, VOID)

    count = jax.jit(count)

    def score(images):
        weights = [v.value for v in network.trainable_variables]
        state = [v.value for v in network.non_trainable_variables]
        matrix = np.zeros((NUM_CLASSES, NUM_CLASSES), "int64")
        # filled up with void, so that all batches have one size
        fill = [(0, -len(images) % _SCORED_AT_ONCE), (0, 0), (0, 0)]
        image = np.pad(images.image, [*fill, (0, 0)])
        label_map = np.pad(images.label_map, fill, constant_values=VOID)
        for first in range(0, len(image), _SCORED_AT_ONCE):
            some = slice(first, first + _SCORED_AT_ONCE)
            matrix += np.asarray(count(weights, state, image[some], label_map[some]))
        scores = segmentation_scores(matrix)
        return {
            "size": side,
            "mean_iou": round(float(scores["mean_iou"]), 4),
            "pixel_accuracy": round(float(scores["pixel_accuracy"]), 4),
        }

    return score


def float16_kernels(network: keras.Model) -> dict[str, np.ndarray]:
    """Return the weights by layer and variable, the kernels in float16."""
    arrays = {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in variables_by_name(network).items()
    }
    return {
        name: array.astype("float16") if array.ndim > 1 else array
        for name, array in arrays.items()
    }


def _parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("recipes", nargs="+", type=Path, help="TOML files, in order")
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="CamVid as published"
    )
    parser.add_argument("--weights", required=True, help="VGG16's .h5 file, or none")
    parser.add_argument(
        "--output", type=Path, required=True, help=".npz file for the weights"
    )
    parser.add_argument("--variant", choices=VARIANTS, default="8s", help="stride")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    parser.add_argument(
        "--mix-streets",
        type=int,
        default=0,
        metavar="N",
        help="rendered streets from which a step on CamVid takes as many as of CamVid",
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="shorter side of an image as the network sees it, pixels; crops grow with "
        "it. The recipes' own when not given",
    )
    parser.add_argument(
        "--streets-dir",
        type=Path,
        default=Path("data/streets"),
        help="where rendered streets are kept",
    )
    parser.add_argument(
        "--val-pattern",
        metavar="PATTERN",
        help="train without the images whose names match; score every second of them",
    )
    parser.add_argument(
        "--set",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="options of the last recipe, values as in JSON",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
