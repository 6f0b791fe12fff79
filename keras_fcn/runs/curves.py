"""Learning curves of runs as a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_fcn.runs.folder import RunFolder
from keras_fcn.storage.atomic import atomic_file

_PANELS = (
    ("loss", "training loss, nats", 1),
    ("val_loss", "validation loss, nats", 1),
    ("val_mean_iou", "validation mean IoU, %", 100),
    ("val_pixel_accuracy", "validation pixel accuracy, %", 100),
)


def draw_curves(runs: Sequence[RunFolder], path: Path) -> None:
    """Draw losses and validation scores of runs over their epochs.

    The training loss is what was trained on: of augmented crops, and with the run's
    class weights. The validation loss is without these.

    Args:
        runs: runs with at least one finished epoch, one line each.
        path: PNG or SVG file to write.

    Raises:
        ValueError: if a run has finished no epoch.
    """
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).ravel()
    for run in runs:
        history = read_history(run)
        epochs = [int(row["epoch"]) for row in history]
        for axes, (column, _, factor) in zip(panels, _PANELS, strict=True):
            values = [factor * float(row[column]) for row in history]
            axes.plot(epochs, values, marker=".", label=str(run.path))
    for axes, (_, title, _) in zip(panels, _PANELS, strict=True):
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    panels[0].legend()
    with atomic_file(path) as part:
        figure.savefig(part, dpi=100)


def read_history(run: RunFolder) -> list[dict[str, str]]:
    """Read a run's `history.csv`.

    Args:
        run: the run.

    Returns:
        One dict per finished epoch; every value is text.

    Raises:
        ValueError: if it has finished no epoch.
    """
    path = run.path / "history.csv"
    if not path.is_file():
        raise ValueError(f"{run.path} has no history.csv: its first epoch isn't over")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
