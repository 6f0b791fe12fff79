"""Learning curves as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager

from keras_fcn.drawing.text import font_files
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

    Raises:
        ValueError: if a history lacks one of the four columns.
    """
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, (column, title, factor) in zip(panels, _PANELS, strict=True):
        for label, history in histories:
            if any(column not in row for row in history):
                raise ValueError(f"The history of {label} has no column {column}")
            epochs = [int(row["epoch"]) for row in history]
            values = [factor * float(row[column] or "nan") for row in history]
            axes.plot(epochs, values, marker=".", label=label)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    fonts = ["DejaVu Sans"]  # for each letter, Matplotlib takes the first that has it
    for font in font_files(label for label, _ in histories):
        fontManager.addfont(font)
        fonts.append(FontProperties(fname=font).get_name())
    for text in panels[0].legend(prop={"family": fonts}).get_texts():
        text.set_parse_math(False)  # names may contain $
    key = "Creator" if path.suffix.lower() == ".svg" else "Software"
    with atomic_file(path) as part:
        figure.savefig(part, dpi=100, metadata={key: "keras-fcn curves"})
