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
            OSError, ValueError: if a file of the folder is missing or damaged.
        """
        logger.info("Network: %s", self.path.name)
        with use_precision(resolve_precision("auto")):
            return self.load_model()

    def load_model(self) -> keras.Model:
        """Build the network with Keras's global dtype policy and load its weights.

        Returns:
            The network; all of it is trainable.

        Raises:
            OSError, ValueError: if a file of the folder is missing or damaged.
        """
        num_classes = self.read_class_map().num_classes
        config = dataclasses.replace(
            self.read_config(), freeze_blocks=0, freeze_upsampling=False
        )
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
        name: "fcn8s-camvid", FCN-8s with the compact head for CamVid's 11 classes; or
            "pretrained" for the default.

    Returns:
        A network of `keras_fcn.FCN`.

    Raises:
        ValueError: if there is none of that name, or its file is damaged.
    """
    name = _resolve(name)
    if name not in pretrained_names():
        raise ValueError(
            f"`name` must be one of {', '.join(pretrained_names())}. "
            f"Received: name={name}"
        )
    return PretrainedFolder(FOLDER / name).load_model()


def pretrained_names() -> list[str]:
    """Return the names of the networks that come with the project, in order."""
    names = (path.parent.name for path in FOLDER.glob("*/config.json"))
    return sorted(name for name in names if not name.startswith("."))


def find_model(name: str | Path) -> RunFolder:
    """Return a run of train.py, or a network that comes with the project.

    Args:
        name: folder of a run or of a packed network, the name of one that comes
            along, or "pretrained" for the default one.

    Returns:
        The run; a `PretrainedFolder` where its network is packed.

    Raises:
        FileNotFoundError: if it is none of these.
    """
    name = _resolve(name)
    if name in pretrained_names():
        return PretrainedFolder(FOLDER / name)
    path = Path(name)
    if not (path / "config.json").is_file():
        raise FileNotFoundError(
            f"{path} is not a run of train.py (it has no config.json), nor a network "
            f"that comes with the project ({', '.join(pretrained_names())})"
        )
    is_packed = PretrainedFolder(path).checksum.is_file()
    return PretrainedFolder(path) if is_packed else RunFolder(path)


def start_name(name: str) -> str:
    """Return how `config.json` names a start: a network that comes along, or a path.

    Args:
        name: what was given to `--init-from`.

    Returns:
        A name of `pretrained_names`, or the absolute path of the run.
    """
    name = _resolve(name)
    return name if name in pretrained_names() else str(Path(name).absolute())


def _resolve(name):
    return DEFAULT if str(name) == _ALIAS else str(name)


def variables_by_name(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the variables of a network by layer and name, as in `fc6/kernel`.

    Args:
        model: the network; states of random draws are left out.

    Returns:
        The variables, in the order of the layers.
    """
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.variables
        if variable.name != "seed_generator_state"
    }
