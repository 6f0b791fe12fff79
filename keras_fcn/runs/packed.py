"""A network as small as it can be passed on: a run without its training.

NAME/
  config.json     the configuration of the training, and the versions it ran with
  classes.json    names, colours and void
  metrics.json    validation scores
  weights.npz     the weights by layer and variable: kernels in float16, the few others
                  (biases, statistics of batch normalisation) in float32
  weights.sha256  its checksum, as sha256sum writes it
  README.md       the model card, for people to write
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_fcn.models.precision import resolve_precision
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.storage.atomic import (
    atomic_folder,
    move_into_place,
    read_arrays,
    read_json,
    write_json,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackedFolder(NetworkFolder):
    """A network stored as float16 weights with a checksum."""

    @property
    def weights_file(self) -> Path:
        """File of the weights."""
        return self.path / "weights.npz"

    @property
    def weights_files(self) -> list[Path]:
        return [self.weights_file]

    @property
    def checksum_file(self) -> Path:
        """File with the SHA-256 of the weights."""
        return self.path / "weights.sha256"

    def load_model(self) -> keras.Model:
        """Build the network, in bfloat16 where the hardware has it."""
        logger.info("Network: %s", self.path.name)
        return self.build_model(resolve_precision("auto"))

    def read_weights(self) -> Mapping[str, np.ndarray]:
        try:
            needed = self.checksum_file.read_text().split()[0]
            received = hashlib.sha256(self.weights_file.read_bytes()).hexdigest()
        except (OSError, IndexError) as error:
            raise ValueError(
                f"{self.path} is incomplete ({error}): pack or install it again"
            ) from error
        if received != needed:
            raise ValueError(
                f"{self.weights_file} is damaged: pack or install it again. Needed "
                f"SHA-256 {needed}. Received: {received}"
            )
        return read_arrays(self.weights_file)


def pack(run: RunFolder, output_dir: Path) -> PackedFolder:
    """Store a run's best network so that it can be passed on.

    Kernels are rounded to float16; paths of this machine are left out of the
    configuration.

    Args:
        run: a run that has gone through all its epochs.
        output_dir: folder to make; it must not be there.

    Returns:
        The new folder.

    Raises:
        FileExistsError: if `output_dir` is there.
        ValueError: if the run is not finished, or a weight does not fit into float16.
    """
    epoch, num_epochs = run.read_checkpoint().epoch, run.read_config().epochs
    if epoch < num_epochs:
        raise ValueError(
            f"{run.path} has finished {epoch} of its {num_epochs} epochs: go on with "
            "it first, by `resume`"
        )
    if output_dir.exists():
        raise FileExistsError(f"{output_dir} exists already: choose a new folder")
    arrays = {
        name: _stored(name, keras.ops.convert_to_numpy(variable))
        for name, variable in run.read_weights().items()
    }
    with atomic_folder(output_dir.parent) as part_path:
        part = PackedFolder(part_path)
        np.savez(part.weights_file, **arrays)
        checksum = hashlib.sha256(part.weights_file.read_bytes()).hexdigest()
        part.checksum_file.write_text(f"{checksum}  {part.weights_file.name}\n")
        for file in (run.classes_file, run.metrics_file, run.calibration_file):
            if file != run.calibration_file or file.is_file():  # of a run of before
                shutil.copy(file, part_path)
        description = read_json(run.config_file)
        description["config"] = _without_paths(description["config"])
        write_json(part.config_file, description)
        move_into_place(part_path, output_dir)
    return PackedFolder(output_dir)


def _stored(name, value):
    """A weight as stored; the variances of VGG16's pools are too large for float16."""
    if value.ndim < 2:  # biases and statistics: few, and some are large
        return value
    largest = np.finfo("float16").max  # 65504
    if not (np.abs(value) <= largest).all():
        raise ValueError(f"No float16 holds {name}: its values must be up to {largest}")
    return value.astype("float16")


def _without_paths(config):
    named = {
        name: config[name] and Path(config[name]).name
        for name in ("weights", "init_from")
    }
    return {**config, **named, "data_dir": None}
