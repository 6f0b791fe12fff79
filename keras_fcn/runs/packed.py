"""Packed networks: a trained network without its training state, for distribution.

NAME/
  config.json          the configuration of the training, and the versions used
  classes.json         names, colors and void
  metrics.json         validation scores
  calibration.json     the temperature of the probabilities; 1 without this file
  weights.safetensors  the weights by layer and variable: kernels in float16; biases and
                       batch-norm statistics in float32
  weights.sha256       its checksum, in the format of sha256sum
  README.md            the model card, written by hand
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import WEIGHTS_FILE
from keras_fcn.runs.network_folder import NetworkFolder
from keras_fcn.storage.arrays import read_arrays, write_arrays
from keras_fcn.storage.atomic import atomic_folder, move_into_place, write_json
from keras_fcn.storage.regular_files import check_is_regular

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackedFolder(NetworkFolder):
    """A network stored as float16 weights with a checksum."""

    @property
    def weights_file(self) -> Path:
        """File of the weights."""
        return self.path / WEIGHTS_FILE

    @property
    def weights_files(self) -> list[Path]:
        """The file of the weights."""
        return [self.weights_file]

    @property
    def checksum_file(self) -> Path:
        """File with the SHA-256 of the weights."""
        return self.path / "weights.sha256"

    def load_model(self) -> "keras.Model":
        """Build the network, in bfloat16 if the hardware supports it."""
        from keras_fcn.models.precision import resolve_precision

        logger.info("Network: %s", self.path.name)
        return self.build_model(resolve_precision("auto"))

    def read_weights(self) -> Mapping[str, np.ndarray]:
        """Read the arrays by layer and name, after a check of their SHA-256."""
        # safetensors has no checksum: a changed byte of a weight would go unnoticed.
        for file in (self.checksum_file, self.weights_file):
            check_is_regular(file)
        try:
            expected = self.checksum_file.read_text().split()[0]
            received = hashlib.sha256(self.weights_file.read_bytes()).hexdigest()
        except (OSError, IndexError, UnicodeDecodeError) as error:
            raise ValueError(
                f"{self.path} is incomplete ({error}): pack or install it again"
            ) from error
        if received != expected:
            raise ValueError(
                f"{self.weights_file} is damaged: pack or install it again. Expected "
                f"SHA-256 {expected}, got {received}"
            )
        return read_arrays(self.weights_file)


def pack(run: RunFolder, output_dir: Path) -> PackedFolder:
    """Package the best network of a run for distribution.

    Kernels are rounded to float16. Paths of this machine are removed from the
    configuration.

    Args:
        run: a finished run.
        output_dir: folder to make; it must not exist.

    Returns:
        The new folder.

    Raises:
        FileExistsError: if `output_dir` exists.
        ValueError: if the run is not finished, or a weight is too large for float16.
    """
    import keras

    checkpoint, config = run.read_checkpoint(), run.read_config()
    if not checkpoint.is_last(config.epochs, config.patience):
        raise ValueError(
            f"{run.path} has finished {checkpoint.epoch} of its {config.epochs} epochs:"
            " `resume` it first"
        )
    if output_dir.exists():
        raise FileExistsError(f"{output_dir} exists already: choose a new folder")
    arrays = {
        name: _to_float16(name, keras.ops.convert_to_numpy(variable))
        for name, variable in run.read_weights().items()
    }
    with atomic_folder(output_dir.parent) as part_path:
        part = PackedFolder(part_path)
        write_arrays(part.weights_file, arrays)
        checksum = hashlib.sha256(part.weights_file.read_bytes()).hexdigest()
        part.checksum_file.write_text(f"{checksum}  {part.weights_file.name}\n")
        for file in (run.classes_file, run.metrics_file):
            shutil.copy(file, part_path)
        # Missing if the process was killed after the last epoch, before calibration.
        if run.calibration_file.is_file():
            shutil.copy(run.calibration_file, part_path)
        else:
            logger.warning(
                "%s has no %s: the packed network has the temperature 1 until "
                "`keras-fcn calibrate` fits it",
                run.path,
                run.calibration_file.name,
            )
        description = run.read_description()
        # File names stay, as a record of the initial weights.
        names = {
            name: description["config"][name] and Path(description["config"][name]).name
            for name in ("weights", "init_from")
        }
        description["config"] |= {**names, "data_dir": None}
        write_json(part.config_file, description)
        move_into_place(part_path, output_dir)
    return PackedFolder(output_dir)


def _to_float16(name, value):
    if value.ndim < 2:
        return value  # the variances of VGG16's third pool are beyond float16
    largest = np.finfo("float16").max  # 65504
    if not (np.abs(value) <= largest).all():
        raise ValueError(
            f"{name} is too large for float16: its values must be at most {largest}"
        )
    return value.astype("float16")
