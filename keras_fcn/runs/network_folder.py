"""What a run and a packed network have in common: a folder that holds a network.

FOLDER/
  config.json   the configuration of its training, the size of its images, and versions
                of what it ran with
  classes.json  names, colours and void
  metrics.json  validation scores
  calibration.json  the temperature of its probabilities, and what it was fitted on
"""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.errors import shown
from keras_fcn.models.architecture import Architecture
from keras_fcn.models.fcn import build_uninitialized
from keras_fcn.models.precision import use_precision
from keras_fcn.models.weights import assign_arrays, variables_by_name
from keras_fcn.runs.names import CONFIG_FILE
from keras_fcn.storage.atomic import read_json
from keras_fcn.typing import Tensor


@dataclasses.dataclass(frozen=True)
class NetworkFolder(ABC):
    """A trained network with its classes and its configuration.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def config_file(self) -> Path:
        """File of the configuration; a folder without it holds no network."""
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
        """Files of the network itself."""

    def fingerprint(self) -> str:
        """Return a checksum of all that decides what the network answers.

        Raises:
            OSError: if a file is missing.
        """
        files = [self.config_file, self.classes_file, *self.weights_files]
        if self.calibration_file.is_file():
            files.append(self.calibration_file)
        checksum = hashlib.sha256()
        for file in files:
            checksum.update(hashlib.sha256(file.read_bytes()).digest())
        return checksum.hexdigest()

    @abstractmethod
    def load_model(self) -> keras.Model:
        """Return the network, in the arithmetic that it predicts in.

        Raises:
            OSError, ValueError: if a file is missing or damaged.
        """

    @abstractmethod
    def read_weights(self) -> Mapping[str, Tensor]:
        """Return the weights by layer and variable, as in `fc6/kernel`.

        Raises:
            OSError, ValueError: if a file is missing or damaged.
        """

    def build_model(self, precision: str | None = None) -> keras.Model:
        """Build the network anew from its configuration, and load its weights.

        Args:
            precision: "float32", "bfloat16" or "float16"; the weights are float32. None
                for Keras's global dtype policy.

        Returns:
            The network; all of it is trainable.

        Raises:
            OSError, ValueError: if a file is missing or damaged, or the weights are
                not of this configuration.
        """
        architecture, weights = self.read_architecture(), self.read_weights()
        with use_precision(precision) if precision else nullcontext():
            model = build_uninitialized(architecture)
        assign_arrays(variables_by_name(model), weights, f"The network in {self.path}")
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
        """Read the configuration that the network was trained with.

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
        """Whether the network itself brings images to the size that it looks at."""
        return False

    def read_training_size(self) -> int | None:
        """Read the size of the images that the network was trained on.

        Returns:
            The median of their shorter sides, pixels; None if it is unknown.

        Raises:
            ValueError: if it is damaged.
        """
        size = self.read_description().get("training_size")
        if size is not None and (type(size) is not int or size < 1):
            raise ValueError(
                f"{self.config_file}: expected training_size in pixels, at least 1, "
                f"got {shown(size)}"
            )
        return size

    def read_temperature(self) -> float:
        """Read by what the network's logits are divided before the softmax.

        Returns:
            The temperature; 1 where none has been fitted.

        Raises:
            ValueError: if its file is damaged.
        """
        if not self.calibration_file.is_file():
            return 1.0
        content = read_json(self.calibration_file)
        try:
            temperature = float(content["temperature"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{self.calibration_file} has no temperature ({error})"
            ) from error
        if not 0 < temperature < float("inf"):
            raise ValueError(
                f"{self.calibration_file} must have a temperature above 0. "
                f"Received: {temperature}"
            )
        return temperature

    def read_architecture(self) -> Architecture:
        """Return the architecture of the network, with nothing frozen."""
        num_classes = self.read_class_map().num_classes
        architecture = Architecture.from_config(self.read_config(), num_classes)
        return dataclasses.replace(
            architecture, freeze_blocks=0, freeze_upsampling=False
        )

    def read_class_map(self) -> ClassMap:
        """Read the network's classes."""
        return ClassMap.load(self.classes_file)

    def check_classes(self, class_map: ClassMap) -> None:
        """Check that data have the classes that the network was trained for.

        Args:
            class_map: the data's classes; their names count, in their order.

        Raises:
            ValueError: if they are others.
        """
        names = self.read_class_map().names
        if names != class_map.names:
            raise ValueError(
                f"{self.path} was trained for the classes {', '.join(names)}. "
                f"Received data with: {', '.join(class_map.names)}"
            )
