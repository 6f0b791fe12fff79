"""Evaluate a network on a split, each image at the size of its label map."""

import heapq
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.drawing.panels import draw_confusion_matrix, sample_panel
from keras_fcn.evaluation.calibration import ConfidenceCounts, draw_reliability
from keras_fcn.evaluation.predictions import (
    ImageResult,
    Predict,
    predict_batches,
    predict_split,
)
from keras_fcn.evaluation.report import SINGLE_SCALE, scores_report
from keras_fcn.images.encoding import write_png
from keras_fcn.metrics.confusion_matrix import confusion_matrix_of, segmentation_scores
from keras_fcn.progress import Progress
from keras_fcn.storage.atomic import write_json
from keras_fcn.storage.outputs import is_own_output


def quick_scores(
    predict: Callable[[np.ndarray], np.ndarray],
    dataset: SegmentationDataset,
    split_name: str,
) -> dict[str, float]:
    """Score a network on a split without writing files.

    Args:
        predict: `Predictor.label_maps` of a network for the data set's classes.
        dataset: the data set.
        split_name: "train", "val" or "test".

    Returns:
        `mean_iou` and `pixel_accuracy`, shares in [0, 1].
    """
    split, class_map = dataset.split(split_name), dataset.class_map
    matrix = np.zeros((class_map.num_classes,) * 2, dtype="int64")
    for batch, prediction in predict_batches(predict, split, batch_size=1):
        matrix += confusion_matrix_of(
            batch["label_map"], prediction, class_map.num_classes, class_map.void_id
        )
    scores = segmentation_scores(matrix)
    return {name: scores[name] for name in ("mean_iou", "pixel_accuracy")}


def evaluate(
    predict: Predict,
    dataset: SegmentationDataset,
    split_name: str,
    output_dir: Path,
    *,
    prediction: str = SINGLE_SCALE,
    temperature: float = 1.0,
    batch_size: int = 4,
    num_worst: int = 10,
    num_overlays: int = 8,
) -> dict:
    """Evaluate a network on a split and write scores and figures.

    `output_dir` gets `scores.json` (the returned report), `confusion_matrix.png`,
    `reliability.png`, `worst/` (`sample_panel` of the images with the lowest mean IoU)
    and `overlays/` (of images spread evenly over the split).

    Args:
        predict: `Predictor.label_maps_and_confidence` of a network for the data set's
            classes.
        dataset: the data set.
        split_name: "train", "val" or "test".
        output_dir: folder; created if missing.
        prediction: description of the inference mode, for the report.
        temperature: temperature of the probabilities, for the report.
        batch_size: number of images in a batch; 1 if the images differ in size.
        num_worst: number of images in `worst/`.
        num_overlays: number of images in `overlays/`.

    Returns:
        The report of `scores_report`, with `calibration` (the temperature, and the
        report of `ConfidenceCounts`; None if all pixels are void), `seconds`,
        `worst_images` and `output_dir`.

    Raises:
        FileExistsError: if `output_dir` contains other files than an evaluation.
        NotADirectoryError: if `output_dir` is a file.
    """
    split, class_map = dataset.split(split_name), dataset.class_map
    _check_output_dir(output_dir)
    started = time.monotonic()
    results = predict_split(predict, split, class_map, batch_size)
    collected = _Collected(class_map, split.num_images, num_worst, num_overlays)
    for result in Progress(results, description="Evaluating", total=split.num_images):
        collected.add(result)
    matrix = collected.matrix
    worst = sorted(collected.worst, reverse=True)  # the lowest mean IoU first
    report = {
        **scores_report(matrix, dataset, split_name, prediction),
        "calibration": None,
        "output_dir": str(output_dir),
        "seconds": round(time.monotonic() - started, 1),
        "worst_images": [
            {"name": result.name, "mean_iou": -negative_iou}
            for negative_iou, _, result in worst
        ],
    }
    if matrix.any():
        report["calibration"] = {
            "temperature": temperature,
            **collected.counts.report(),
        }
    output_dir.mkdir(parents=True, exist_ok=True)
    # Written first: it marks the folder as one that may be overwritten.
    write_json(output_dir / "scores.json", report)
    _write_figures(output_dir, collected, [result for _, _, result in worst])
    return report


class _Collected:
    """What `evaluate` keeps of the results: counts, some overlays, the worst images."""

    def __init__(self, class_map, num_images, num_worst, num_overlays):
        self.class_map, self.num_worst = class_map, num_worst
        self.matrix = np.zeros((class_map.num_classes,) * 2, dtype="int64")
        self.counts = ConfidenceCounts()
        # A heap: its first entry is the smallest, by negative IoU the best image.
        self.worst: list[tuple[float, int, ImageResult]] = []
        self.overlays: list[tuple[str, np.ndarray]] = []
        shown = np.linspace(0, num_images - 1, num_overlays).round()
        self._shown, self._index = set(shown.astype(int).tolist()), 0

    def add(self, result: ImageResult) -> None:
        self.matrix += result.confusion_matrix
        is_labelled = result.label_map != self.class_map.void_id
        is_correct = result.prediction == result.label_map
        self.counts.update(result.confidence[is_labelled], is_correct[is_labelled])
        mean_iou = segmentation_scores(result.confusion_matrix)["mean_iou"]
        if not np.isnan(mean_iou):  # NaN: all pixels are void
            heapq.heappush(self.worst, (-mean_iou, self._index, result))
            if len(self.worst) > self.num_worst:
                heapq.heappop(self.worst)
        if self._index in self._shown:
            drawn = overlay_with_legend(result.image, result.prediction, self.class_map)
            self.overlays.append((result.name, drawn))
        self._index += 1


def _check_output_dir(folder: Path) -> None:
    """Refuse a folder with other files than those of an earlier evaluation."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {folder}, a file"
        )
    scores = folder / "scores.json"
    is_evaluation = scores.is_file() and is_own_output(scores, b'"worst_images"')
    if folder.exists() and not is_evaluation and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} contains other files than an evaluation: choose a new or empty "
            "folder as `output_dir`"
        )


def _write_figures(
    folder: Path, collected: _Collected, worst: list[ImageResult]
) -> None:
    matrix, class_map = collected.matrix, collected.class_map
    confusion = draw_confusion_matrix(matrix, class_map)
    write_png(folder / "confusion_matrix.png", confusion)
    if matrix.any():
        draw_reliability(collected.counts, folder / "reliability.png")
    panels = (
        (
            result.name,
            sample_panel(result.image, result.label_map, result.prediction, class_map),
        )
        for result in worst
    )
    for name, images in (("worst", panels), ("overlays", collected.overlays)):
        (folder / name).mkdir(exist_ok=True)
        for old in (folder / name).glob("*.png"):  # of an earlier evaluation
            old.unlink()
        # The number distinguishes images such as a/b and a-b.
        for number, (image_name, image) in enumerate(images, start=1):
            file_name = f"{number:02}-{image_name.replace('/', '-')}"
            stem = file_name.encode()[:200].decode(errors="ignore")  # at most 255 bytes
            write_png(folder / name / f"{stem}.png", image)
