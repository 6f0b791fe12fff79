"""Trained networks that come with the project; `pack.py` makes them of runs.

pretrained/NAME/
  config.json     the configuration of the training, and the versions it ran with
  classes.json    names, colours and void
  metrics.json    validation scores
  weights.npz     the weights by layer and variable: kernels in float16, the few others
                  (biases, statistics of batch normalisation) in float32
  weights.sha256  its checksum, as `sha256sum --check` reads it
  README.md       the model card
"""

import dataclasses
import hashlib
import logging
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np

from keras_fcn.models import build_network
from keras_fcn.precision import resolve_precision, use_precision
from keras_fcn.run_folder import RunFolder

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parents[1] / "pretrained"
DEFAULT = "fcn8s-camvid"
_ALIAS = "pretrained"


class PretrainedFolder(RunFolder):
    """A run whose network is stored as float16 weights, beside the code."""

    @property
    def weights(self) -> Path:
        """File of the weights."""
        return self.path / "weights.npz"

    @property
    def checksum(self) -> Path:
        """File with the SHA-256 of the weights."""
        return self.path / "weights.sha256"

    def load_best_model(self) -> keras.Model:
        """Build the network and load its weights.

        It computes in bfloat16 where the hardware has it.

        Raises:
            ValueError: if the weights are missing or damaged.
        """
        logger.info("Network: %s", self.path.name)
        with use_precision(resolve_precision("auto")):
            return self.load_model()

    def load_model(self) -> keras.Model:
        """Like `load_best_model`, with Keras's global dtype policy."""
        num_classes = self.read_class_map().num_classes
        config = dataclasses.replace(self.read_config(), freeze_blocks=0)
        self._check_weights()
        model = build_network(config, num_classes, weights=None)
        try:
            with np.load(self.weights, allow_pickle=False) as arrays:
                values = {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise ValueError(f"{self.weights} can't be read ({error})") from error
        variables = variables_by_name(model)
        shapes = {name: tuple(v.shape) for name, v in variables.items()}
        if shapes != {name: value.shape for name, value in values.items()}:
            raise ValueError(f"{self.weights} is of another network than {self.path}")
        for name, variable in variables.items():
            variable.assign(values[name].astype("float32"))
        return model

    def _check_weights(self):
        """Compare the weights with their checksum."""
        try:
            needed = self.checksum.read_text().split()[0]
            received = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        except (OSError, IndexError) as error:
            raise ValueError(
                f"{self.path} is incomplete ({error}): fetch the project anew"
            ) from error
        if received != needed:
            raise ValueError(
                f"{self.weights} is damaged: fetch the project anew. Needed SHA-256 "
                f"{needed}. Received: {received}"
            )


def from_pretrained(name: str = DEFAULT) -> keras.Model:
    """Return a trained network that comes with the project.

    Its classes, in the order of the logits, and its scores are in `pretrained/NAME/`.
    Like `FCN`, it computes in Keras's global dtype policy; all of it is trainable.

    Args:
        name: "fcn8s-camvid": FCN-8s with the compact head for CamVid's 11 classes.

    Returns:
        A network of `keras_fcn.FCN`.

    Raises:
        ValueError: if there is none of that name, or its file is damaged.
    """
    if name not in pretrained_names():
        raise ValueError(
            f"`name` must be one of {', '.join(pretrained_names())}. "
            f"Received: name={name}"
        )
    return PretrainedFolder(FOLDER / name).load_model()


def pretrained_names() -> list[str]:
    """Names of the networks that come with the project."""
    return sorted(path.parent.name for path in FOLDER.glob("*/weights.npz"))


def find_model(name: str | Path) -> RunFolder:
    """Return a run of train.py, or a network that comes with the project.

    Args:
        name: folder of a run, the name of a pretrained network, or "pretrained" for
            the default one.

    Raises:
        FileNotFoundError: if it is neither.
    """
    name = DEFAULT if str(name) == _ALIAS else str(name)
    if name in pretrained_names():
        return PretrainedFolder(FOLDER / name)
    if not (Path(name) / "config.json").is_file():
        raise FileNotFoundError(
            f"{name} is not a run of train.py (it has no config.json), nor a network "
            f"that comes with the project ({', '.join(pretrained_names())})"
        )
    if (Path(name) / "weights.npz").is_file():
        return PretrainedFolder(Path(name))
    return RunFolder(Path(name))


def is_pretrained_name(name: str | Path) -> bool:
    """Whether a name means a network that comes with the project, not a folder.

    Args:
        name: what was given to `--model` or `--init-from`.
    """
    return str(name) in (_ALIAS, *pretrained_names())


def variables_by_name(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the variables of a network by layer and name, as in `fc6/kernel`.

    Args:
        model: the network; states of random draws are left out.
    """
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
        if variable.name != "seed_generator_state"
    }
