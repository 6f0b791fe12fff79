"""Exported networks: folders written by `serving/export.py`, and their prediction.

FOLDER/ contains model.xml, model.onnx, model.tflite or a SavedModel, with
`classes.json` and `card.json`. The runtime of the format computes the predictions.
"""

import dataclasses
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.errors import one_line
from keras_fcn.runs.names import exported_card
from keras_fcn.runs.network_folder import NetworkFolder, read_json
from keras_fcn.runs.runtimes import RUNTIMES, MissingRuntime, Runtime
from keras_fcn.typing import Size, Tensor

LONGEST_REASON = 200  # characters; runtimes print whole graphs


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """An exported network, opened in its runtime.

    Images are RGB, uint8 or float in [0, 255], `(batch, height, width, 3)`.

    Attributes:
        runtime: the runtime.
        description: for people, as in "single scale, openvino int8".
    """

    runtime: Runtime
    description: str

    def label_maps(self, images: np.ndarray) -> np.ndarray:
        """Return class ids, uint8 `(batch, height, width)`."""
        return self._checked(images).label_maps(images)

    def resized_label_maps(self, images: np.ndarray, size: Size) -> np.ndarray:
        """Return class ids of the logits resized to a size, uint8 `(batch, *size)`."""
        return self._checked(images).resized_label_maps(images, size)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return float32 `(batch, height, width, num_classes)`."""
        return self._checked(images).logits(images)

    def _checked(self, images):
        _check_shape(self.runtime.shape, images.shape[:3])
        return self.runtime


class ExportedFolder(NetworkFolder):
    """A network in the format of another runtime, for prediction only."""

    @property
    def name(self) -> str:
        """Names of the export's folder and of the version in it."""
        path = self.path.resolve()  # the version alone may be "1"
        return f"{path.parent.name}-{path.name}"

    @property
    def classes_file(self) -> Path:
        """File of the classes."""
        is_saved_model = self.read_card()["format"] == "savedmodel"
        folder = self.path / "assets" if is_saved_model else self.path
        return folder / "classes.json"

    @property
    def config_file(self) -> Path:
        """The card, which contains the values of a run's configuration."""
        return exported_card(self.path)

    @property
    def weights_files(self) -> list[Path]:
        """All files of the export."""
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def read_card(self) -> dict:
        """Read `card.json`, the description of the network.

        Raises:
            ValueError: if it was not written by this package, or is damaged.
        """
        card = read_json(exported_card(self.path))
        if not isinstance(card, dict) or card.get("format") not in RUNTIMES:
            raise ValueError(
                f"{self.path} is not an exported network of keras_fcn: its card.json "
                f"names none of the formats {', '.join(RUNTIMES)}"
            )
        return card

    def read_config(self) -> TrainingConfig:
        """Return the options of the training that the card contains."""
        card = self.read_card()
        names = ("variant", "head", "dataset", "val_pattern", "value_range")
        try:
            return TrainingConfig(
                **{name: card[name] for name in names if name in card},
                size=card.get("inference_size"),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{exported_card(self.path)} is damaged ({error})"
            ) from error

    @property
    def scales_images(self) -> bool:
        """Whether the network resizes images itself: SavedModels do."""
        return self.read_card()["format"] == "savedmodel"

    def read_training_size(self) -> int | None:
        """Return the size that it was exported for; None if images keep their size."""
        return self.read_card().get("size")

    def read_temperature(self) -> float:
        """Return 1: the exported graph contains the temperature."""
        return 1.0

    def load_model(self) -> ExportedModel:
        """Open the network in its runtime.

        Raises:
            ValueError: if the runtime is not installed, or a file is damaged or has
                another number of classes.
        """
        card = self.read_card()
        file_name, runtime_class = RUNTIMES[card["format"]]
        if not (self.path / file_name).is_file():
            raise ValueError(f"{self.path} is incomplete: it has no {file_name}")
        try:
            runtime = runtime_class(self.path)
        except MissingRuntime:
            raise
        except Exception as error:  # each runtime has its own exceptions
            reason = textwrap.shorten(one_line(error), LONGEST_REASON)
            raise ValueError(
                f"{self.path / file_name} can't be loaded: it is damaged or of another "
                f"project ({reason})"
            ) from error
        num_classes = self.read_class_map().num_classes
        if runtime.num_classes != num_classes:
            raise ValueError(
                f"{self.path / file_name} must score the {num_classes} classes of "
                f"{self.classes_file.name}. Received: {runtime.num_classes}"
            )

        return ExportedModel(
            runtime, f"single scale, {card['format']} {card['precision']}"
        )

    def read_weights(self) -> Mapping[str, Tensor]:
        """Refuse: runtimes do not expose the weights."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Refuse an operation that needs a Keras model.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{self.path} is an exported network, which can only predict and be "
            "evaluated: use the run or packed network that it was exported from"
        )


def _check_shape(needed, received):
    """Refuse images that do not fit a network with a fixed input shape."""
    if any(
        length not in (None, other)
        for length, other in zip(needed, received, strict=True)
    ):
        of_any = ("any number", "any height", "any width")
        named = [
            of_any[axis] if length is None else str(length)
            for axis, length in enumerate(needed)
        ]
        raise ValueError(
            "This exported network has a fixed input shape: expected (batch, height, "
            f"width) = ({', '.join(named)}), got {tuple(received)}. Export it again "
            "without a fixed shape"
        )
