"""Draw the figures of docs/results.md: `python docs/draw_results.py --data-dir CAMVID`.

`curves.png` is drawn from `curves.jsonl`, the log of the training runs that
docs/results.md names. `labels.png` shows the test images with the best and the worst
prediction of the bundled network, as label maps: CamVid's images are not redistributed.
"""

import argparse
import dataclasses
import json
import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.drawing.overlays import legend
from keras_fcn.drawing.panels import (
    colorize,
    error_map,
    image_grid,
    stack_panels,
    titled,
)
from keras_fcn.evaluation.predictions import ImageResult, predict_split
from keras_fcn.images.encoding import write_png
from keras_fcn.metrics.confusion_matrix import segmentation_scores
from keras_fcn.prediction.segmenter import load
from keras_fcn.runs.bundled import find_network
from keras_fcn.storage.atomic import atomic_file

FOLDER = Path(__file__).parent
PANELS = (
    ("loss", "training loss, nats", 1),
    ("mean_iou", "validation mean IoU, %", 100),
    ("pixel_accuracy", "validation pixel accuracy, %", 100),
)
NUM_SHOWN = 3  # best images, and as many of the worst


def main(argv: list[str] | None = None) -> int:
    """Draw both figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument(
        "--data-dir", required=True, help="folder with CamVid (train/ ...)"
    )
    arguments = parser.parse_args(argv)
    draw_curves(FOLDER / "curves.jsonl", FOLDER / "curves.png")
    draw_labels(arguments.data_dir, FOLDER / "labels.png")
    print(f"{FOLDER}/curves.png and {FOLDER}/labels.png")
    return 0


def draw_curves(source: Path, target: Path) -> None:
    """Draw loss and validation scores over the epochs, one line per network.

    Args:
        source: one JSON object per line and scored epoch, grouped by network.
        target: PNG file to write.
    """
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    figure = Figure(figsize=(11, 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(PANELS))
    keys = itemgetter("recipe", "variant", "seed", "size")
    for (recipe, variant, seed, size), rows in groupby(lines, keys):
        rows = list(rows)
        label = f"FCN-{variant} at {size}, seed {seed}, {recipe}"
        for axes, (name, _, factor) in zip(panels, PANELS, strict=True):
            values = [factor * row[name] for row in rows]
            axes.plot([row["epoch"] for row in rows], values, marker=".", label=label)
    for axes, (_, title, _) in zip(panels, PANELS, strict=True):
        axes.set(title=title, xlabel="epoch on CamVid")
        axes.grid(alpha=0.3)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    with atomic_file(target) as part:
        figure.savefig(part, dpi=90)


def draw_labels(data_dir: str, target: Path) -> None:
    """Draw label map, prediction and error of the best and the worst test images.

    Args:
        data_dir: folder with CamVid.
        target: PNG file to write.
    """
    network = find_network("fcn8s-camvid")
    config = dataclasses.replace(network.read_config(), data_dir=data_dir)
    dataset = load_dataset(config, ("test",))
    predict = load("fcn8s-camvid").predictor.label_maps_and_confidence
    results = [
        (segmentation_scores(result.confusion_matrix)["mean_iou"], result)
        for result in predict_split(predict, dataset.split("test"), dataset.class_map)
    ]
    results.sort(key=lambda pair: pair[0], reverse=True)
    shown = [*results[:NUM_SHOWN], *results[-NUM_SHOWN:]]
    rows = [_row(iou, result, dataset.class_map) for iou, result in shown]
    ids = [*range(dataset.class_map.num_classes), dataset.class_map.void_id]
    names = legend(dataset.class_map, ids, rows[0].shape[1])
    write_png(target, stack_panels([*rows, names]))


def _row(mean_iou: float, result: ImageResult, class_map: ClassMap) -> np.ndarray:
    """Return the panels of an image side by side, at half its size."""
    label_map, prediction = result.label_map[::2, ::2], result.prediction[::2, ::2]
    views = {
        f"{result.name}: label map": colorize(label_map, class_map),
        f"prediction, mean IoU {mean_iou:.1%}": colorize(prediction, class_map),
        "error": error_map(label_map, prediction, class_map),
    }
    return image_grid([titled(title, view) for title, view in views.items()])


if __name__ == "__main__":
    sys.exit(main())
