"""The run of a training: its network, scores and curves."""

from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.jobs.evaluate import evaluate
from keras_fcn.prediction.segmenter import Segmenter, load
from keras_fcn.runs.folder import RunFolder


class Run:
    """A run, as returned by `keras_fcn.train`.

    Examples:
        >>> run = keras_fcn.Run("runs/camvid-8s")
        >>> run.best["mean_iou"], run.history["val_loss"]
        >>> label_map = run.segmenter()("street.jpg")

    Args:
        path: the folder of the run.

    Attributes:
        path: the folder of the run.

    Raises:
        FileNotFoundError: if it is not a run.
        ValueError: if it is a packed network.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._folder = RunFolder.open(self.path)

    @cached_property
    def config(self) -> TrainingConfig:
        """All options of the training."""
        return self._folder.read_config()

    @cached_property
    def class_map(self) -> ClassMap:
        """Names and colors of the classes."""
        return self._folder.read_class_map()

    @property
    def history(self) -> dict[str, list[float]]:
        """Scores and losses of each finished epoch, as the `history` of Keras.

        `loss`, `mean_iou`, `pixel_accuracy` and others of the training images, with the
        prefix `val_` of the validation images, and `epoch`, which is counted from 1.
        """
        epochs = self._folder.read_checkpoint().history
        names = epochs[0] if epochs else ()
        return {name: [epoch[name] for epoch in epochs] for name in names}

    @property
    def best(self) -> dict[str, Any]:
        """Validation scores of the best epoch, whose network is in `best.keras`.

        `epoch`, `mean_iou`, `pixel_accuracy`, `per_class_iou` by name, and others.

        Raises:
            OSError: if no epoch is finished.
        """
        return self._folder.read_metrics()

    def scores(
        self, split: Literal["train", "val", "test"] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Evaluate the best network on a split; see `keras_fcn.evaluate`.

        Args:
            split: "train", "val" or "test"; None for "test", or "val" if there is none.
            options: other arguments of `keras_fcn.evaluate`.
        """
        return evaluate(self, split, **options)

    def segmenter(self, **options: Any) -> Segmenter:
        """Return a segmenter with the best network.

        Args:
            options: keyword arguments of `keras_fcn.load`.

        Raises:
            FileNotFoundError: if no epoch is finished.
        """
        return load(self.path, **options)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        config, names = self.config, self.class_map.names
        text = (
            f"<run {self.path}: FCN-{config.variant}, {config.head} head, "
            f"{config.dataset}, {len(names)} classes; "
        )
        epochs = self._folder.read_checkpoint().epoch
        if not epochs:
            return f"{text}no epoch is finished>"
        best = self.best
        return (
            f"{text}{epochs} of {config.epochs} epochs, best {best['epoch']} with a "
            f"validation mean IoU of {best['mean_iou']:.1%}>"
        )

    def _repr_html_(self) -> str:
        """Return a table of the best epoch's IoU of each class, for notebooks."""
        text = f"<p>{escape(repr(self)[1:-1])}</p>"
        if not self._folder.metrics_file.is_file():
            return text
        rows = (
            f"<tr><td>{escape(name)}</td><td>{iou:.1%}</td></tr>"
            for name, iou in self.best["per_class_iou"].items()
            if iou is not None
        )
        return (
            f"{text}<table><tr><th>class</th><th>IoU</th></tr>{''.join(rows)}</table>"
        )
