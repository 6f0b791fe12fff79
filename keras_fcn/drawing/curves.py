"""Learning curves as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_fcn.storage.atomic import atomic_file

_PANELS = (
    ("loss", "training loss, nats", 1),
    ("val_loss", "validation loss, nats", 1),
    ("val_mean_iou", "validation mean IoU, %", 100),
    ("val_pixel_accuracy", "validation pixel accuracy, %", 100),
)


def plot_curves(
    histories: Sequence[tuple[str, Sequence[Mapping[str, str]]]], path: Path
) -> None:
    """Plot losses and validation scores over the epochs.

    The training loss is that of augmented crops, with class weights. The validation
    loss has neither.

    Args:
        histories: label and rows of `history.csv` of each run.
        path: PNG or SVG file to write.
    """
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, 2).ravel()
    for axes, (column, title, factor) in zip(panels, _PANELS, strict=True):
        for label, history in histories:
            epochs = [int(row["epoch"]) for row in history]
            values = [factor * float(row[column]) for row in history]
            axes.plot(epochs, values, marker=".", label=label)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    panels[0].legend()
    with atomic_file(path) as part:
        figure.savefig(part, dpi=100)
