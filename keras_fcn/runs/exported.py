"""An exported network as one to predict with, by the runtime of its format.

FOLDER/ is what `serving/export.py` writes: model.xml, model.onnx, model.tflite or a
SavedModel, with `classes.json` and `card.json`.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.errors import one_line
from keras_fcn.runs.names import exported_card
from keras_fcn.runs.network_folder import NetworkFolder, read_json
from keras_fcn.runs.runtimes import RUNTIMES, MissingRuntime
from keras_fcn.typing import Tensor

_LONGEST_REASON = 200  # characters; runtimes print whole graphs


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """An exported network, ready to label images.

    Attributes:
        label_maps: function of RGB images, uint8 or float in [0, 255], `(batch, height,
            width, 3)`, to uint8 `(batch, height, width)`.
        probabilities: function of the same to float32 `(batch, height, width,
            num_classes)`.
        description: for people, as in "single scale, openvino int8".
    """

    label_maps: Callable[[np.ndarray], np.ndarray]
    probabilities: Callable[[np.ndarray], np.ndarray]
    description: str


class ExportedFolder(NetworkFolder):
    """A network in a file of another runtime: it predicts, and nothing else."""

    @property
    def classes_file(self) -> Path:
        """File of the classes."""
        is_saved_model = self.read_card()["format"] == "savedmodel"
        folder = self.path / "assets" if is_saved_model else self.path
        return folder / "classes.json"

    @property
    def config_file(self) -> Path:
        """The card, which tells what a run's configuration does."""
        return exported_card(self.path)

    @property
    def weights_files(self) -> list[Path]:
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def read_card(self) -> dict:
        """Read what the network is.

        Raises:
            ValueError: if it is not of this project, or damaged.
        """
        card = read_json(exported_card(self.path))
        if not isinstance(card, dict) or card.get("format") not in RUNTIMES:
            raise ValueError(
                f"{self.path} is no network that `export` wrote: its card.json names "
                f"none of the formats {', '.join(RUNTIMES)}"
            )
        return card

    def read_config(self) -> TrainingConfig:
        """Read what the network is and which data it was trained on, from its card."""
        card = self.read_card()
        names = ("variant", "head", "dataset", "val_pattern")
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
        """Whether it brings images to their size itself: SavedModels do."""
        return self.read_card()["format"] == "savedmodel"

    def read_training_size(self) -> int | None:
        """Read the size that it was exported for: None where images keep theirs."""
        return self.read_card().get("size")

    def read_temperature(self) -> float:
        """Return 1: its own probabilities have been divided by it already."""
        return 1.0

    def load_model(self) -> ExportedModel:
        """Open the network in its runtime.

        Raises:
            ValueError: if the runtime is not installed, or a file is damaged or of
                other classes.
        """
        card = self.read_card()
        file_name, runtime_class = RUNTIMES[card["format"]]
        if not (self.path / file_name).is_file():
            raise ValueError(f"{self.path} is incomplete: it has no {file_name}")
        try:
            runtime = runtime_class(self.path)
        except MissingRuntime:
            raise
        except Exception as error:  # runtimes have classes of their own
            reason = textwrap.shorten(one_line(error), _LONGEST_REASON)
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

        def checked(predict):
            def predict_checked(images):
                _check_shape(runtime.shape, images.shape[:3])
                return predict(images)

            return predict_checked

        return ExportedModel(
            checked(runtime.label_maps),
            checked(runtime.probabilities),
            f"single scale, {card['format']} {card['precision']}",
        )

    def read_weights(self) -> Mapping[str, Tensor]:
        """Refuse: what runtimes hold are no weights of Keras."""
        self.refuse()

    def refuse(self) -> NoReturn:
        """Say that more is asked of an exported network than it can.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            f"{self.path} is an exported network, which predicts and is scored, and "
            "nothing else: give the run or packed network that it was exported from"
        )


def _check_shape(needed, received):
    """Refuse images that a file of fixed shape does not take."""
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
            "This exported network was made for one shape of images, (batch, height, "
            f"width) = ({', '.join(named)}): export it anew for any. "
            f"Received: {tuple(received)}"
        )
