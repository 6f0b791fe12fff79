"""The base class of folders that contain a network: runs and packed networks.

FOLDER/
  config.json       the configuration of the training, the size of its images, and the
                    versions used
  classes.json      names, colors and void
  metrics.json      validation scores
  calibration.json  the temperature of the probabilities, and the data it was fitted on
"""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.errors import located, shown
from keras_fcn.options import Side, Temperature, kind_of, parse
from keras_fcn.runs.names import CONFIG_FILE
from keras_fcn.storage.atomic import read_json
from keras_fcn.storage.regular_files import check_is_regular
from keras_fcn.typing import Tensor

if TYPE_CHECKING:
    import keras

    from keras_fcn.models.architecture import Architecture


@dataclasses.dataclass(frozen=True)
class NetworkFolder(ABC):
    """A trained network with its classes and its configuration.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name of the network, for folders and reports about it."""
        return self.path.resolve().name  # "." has no name

    @property
    def config_file(self) -> Path:
        """File of the configuration."""
        return self.path / CONFIG_FILE

    @property
    def classes_file(self) -> Path:
        """File of the classes."""
        return self.path / "classes.json"

    @property
    def metrics_file(self) -> Path:
        """File of the validation scores."""
        return self.path / "metrics.json"

    @property
    def calibration_file(self) -> Path:
        """File of the temperature; it may be missing."""
        return self.path / "calibration.json"

    @property
    @abstractmethod
    def weights_files(self) -> list[Path]:
        """Files of the weights."""

    def fingerprint(self) -> str:
        """Return a checksum of all files that affect the network's predictions.

        Raises:
            OSError: if a file is missing.
            ValueError: if a file is no regular file.
        """
        files = [self.config_file, self.classes_file, *self.weights_files]
        if self.calibration_file.is_file():
            files.append(self.calibration_file)
        checksum = hashlib.sha256()
        # A hash of hashes: bytes that move from one file to the next change it.
        for file in files:
            check_is_regular(file)
            checksum.update(hashlib.sha256(file.read_bytes()).digest())
        return checksum.hexdigest()

    @abstractmethod
    def load_model(self) -> "keras.Model":
        """Return the network, in the precision of its predictions.

        Raises:
            OSError, ValueError: if a file is missing or damaged.
        """

    @abstractmethod
    def read_weights(self) -> Mapping[str, Tensor]:
        """Return the weights by layer and variable, such as `fc6/kernel`.

        Raises:
            OSError, ValueError: if a file is missing or damaged.
        """

    def build_model(self, precision: str | None = None) -> "keras.Model":
        """Build the network from its configuration, and load its weights.

        Args:
            precision: "float32", "bfloat16" or "float16"; the weights are float32. None
                for Keras's global dtype policy.

        Returns:
            The network; all of its layers are trainable.

        Raises:
            OSError, ValueError: if a file is missing or damaged, or the weights do not
                fit the configuration.
        """
        from keras_fcn.models.fcn import build_uninitialized
        from keras_fcn.models.precision import use_precision
        from keras_fcn.models.weights import (
            assign_arrays,
            check_finite,
            variables_by_name,
        )

        architecture, weights = self.read_architecture(), self.read_weights()
        with use_precision(precision) if precision else nullcontext():
            model = build_uninitialized(architecture)
        source = f"The network in {self.path}"
        check_finite(weights, source)
        assign_arrays(variables_by_name(model), weights, source)
        return model

    def read_description(self) -> dict[str, Any]:
        """Read `config.json`: `config`, `training_size`, `versions` and `git_commit`.

        Raises:
            ValueError: if it has no options by name in `config`.
        """
        values = read_json(self.config_file)
        if not isinstance(values, dict) or not isinstance(values.get("config"), dict):
            raise ValueError(
                f"{self.config_file} is not a training configuration (expected config "
                f"with options by name, got {shown(values)})"
            )
        return values

    def read_config(self) -> TrainingConfig:
        """Read the configuration of the network's training.

        Raises:
            ValueError: if it is damaged.
        """
        try:
            return TrainingConfig(**self.read_description()["config"])
        except ValueError as error:
            raise ValueError(
                f"{self.config_file} is not a training configuration ({error})"
            ) from error

    @property
    def scales_images(self) -> bool:
        """Whether the network resizes images to its inference size itself."""
        return False

    def read_training_size(self) -> int | None:
        """Read the size of the images of the network's training.

        Returns:
            The median of their shorter sides, pixels; None if it is unknown.

        Raises:
            ValueError: if it is damaged.
        """
        size = self.read_description().get("training_size")
        if size is None:
            return None
        return self._parse(Side, size, self.config_file, "training_size")

    def read_temperature(self) -> float:
        """Read the divisor of the logits before the softmax.

        Returns:
            The temperature; 1 if none has been fitted.

        Raises:
            ValueError: if its file is damaged.
        """
        if not self.calibration_file.is_file():  # killed before it was fitted
            return 1.0
        content = read_json(self.calibration_file)
        value = content.get("temperature") if isinstance(content, dict) else None
        return self._parse(Temperature, value, self.calibration_file, "temperature")

    def _parse(self, kind: Any, value: object, file: Path, name: str) -> Any:
        with located(f"{file}: {name}"):
            if isinstance(value, str):  # `parse` would convert it
                raise ValueError(
                    f"expected {kind_of(kind).expected}, got {shown(value)}"
                )
            return parse(kind, value)

    def read_architecture(self) -> "Architecture":
        """Return the architecture of the network, with nothing frozen."""
        from keras_fcn.models.architecture import Architecture

        num_classes = self.read_class_map().num_classes
        architecture = Architecture.from_config(self.read_config(), num_classes)
        # Freezing belongs to the training, not to its result.
        return dataclasses.replace(
            architecture, freeze_blocks=0, freeze_upsampling=False
        )

    def read_class_map(self) -> ClassMap:
        """Read the network's classes."""
        return ClassMap.load(self.classes_file)

    def check_classes(self, class_map: ClassMap) -> None:
        """Check that a data set has the classes of the network.

        Args:
            class_map: classes of the data set; names and their order are compared.

        Raises:
            ValueError: if they differ.
        """
        # Colors and void may differ: the logits do not depend on them.
        names = self.read_class_map().names
        if names != class_map.names:
            raise ValueError(
                f"{self.path} was trained for the classes {', '.join(names)}; the data "
                f"set has {', '.join(class_map.names)}"
            )
