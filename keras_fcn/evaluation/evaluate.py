"""Evaluate a network on a split, each image at the size of its label map."""

import heapq
import time
from collections.abc import Callable, Iterable
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
    matrix = np.zeros((class_map.num_classes,) * 2, dtype="int64")
    counts = ConfidenceCounts()
    # A heap: its first entry is the smallest, by negative IoU the best image.
    worst_heap: list[tuple[float, int, ImageResult]] = []
    overlays: list[tuple[str, np.ndarray]] = []
    shown = np.linspace(0, split.num_images - 1, num_overlays).round().astype(int)
    results = predict_split(predict, split, class_map, batch_size)
    progress = Progress(results, description="Evaluating", total=split.num_images)
    for index, result in enumerate(progress):
        matrix += result.confusion_matrix
        is_labelled = result.label_map != class_map.void_id
        is_correct = result.prediction == result.label_map
        counts.update(result.confidence[is_labelled], is_correct[is_labelled])
        mean_iou = segmentation_scores(result.confusion_matrix)["mean_iou"]
        if not np.isnan(mean_iou):  # NaN: all pixels are void
            heapq.heappush(worst_heap, (-mean_iou, index, result))
            if len(worst_heap) > num_worst:
                heapq.heappop(worst_heap)
        if index in shown:
            drawn = overlay_with_legend(result.image, result.prediction, class_map)
            overlays.append((result.name, drawn))
    worst = sorted(worst_heap, reverse=True)  # the lowest mean IoU first
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
        report["calibration"] = {"temperature": temperature, **counts.report()}
    output_dir.mkdir(parents=True, exist_ok=True)
    # Written first: it marks the folder as one that may be overwritten.
    write_json(output_dir / "scores.json", report)
    confusion = draw_confusion_matrix(matrix, class_map)
    write_png(output_dir / "confusion_matrix.png", confusion)
    if matrix.any():
        draw_reliability(counts, output_dir / "reliability.png")
    panels = (
        (
            result.name,
            sample_panel(result.image, result.label_map, result.prediction, class_map),
        )
        for _, _, result in worst
    )
    for name, images in (("worst", panels), ("overlays", overlays)):
        _write_images(output_dir / name, images)
    return report


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


def _write_images(folder: Path, images: Iterable[tuple[str, np.ndarray]]) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):  # of an earlier evaluation
        old.unlink()
    # The number distinguishes images such as a/b and a-b.
    for number, (image_name, image) in enumerate(images, start=1):
        file_name = f"{number:02}-{image_name.replace('/', '-')}"
        stem = file_name.encode()[:200].decode(errors="ignore")  # at most 255 bytes
        write_png(folder / f"{stem}.png", image)
