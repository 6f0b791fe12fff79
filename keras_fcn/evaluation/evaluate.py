"""Scores of a network over a whole split, each image at its label map's own size."""

import heapq
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.datasets.pipeline import evaluation_batches
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.drawing.panels import confusion_matrix_picture, sample_panel
from keras_fcn.errors import printable
from keras_fcn.evaluation.calibration import ConfidenceCounts
from keras_fcn.evaluation.full_batches import with_full_batches
from keras_fcn.evaluation.metrics import confusion_matrix_of, segmentation_scores
from keras_fcn.evaluation.reliability import draw_reliability
from keras_fcn.images.encoding import write_png
from keras_fcn.storage.atomic import write_json


@dataclass(frozen=True)
class ImageResult:
    """A prediction beside its truth.

    Attributes:
        name: the image's name in the data set.
        image: uint8 RGB `(height, width, 3)`.
        label_map: uint8 `(height, width)`, the truth.
        prediction: uint8 `(height, width)`.
        confidence: float32 `(height, width)`, the prediction's probability.
        confusion_matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
    """

    name: str
    image: np.ndarray
    label_map: np.ndarray
    prediction: np.ndarray
    confidence: np.ndarray
    confusion_matrix: np.ndarray


# `Predictor.label_maps_and_confidence`.
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def predict_split(
    predict: Predict,
    split: Split,
    class_map: ClassMap,
    batch_size: int = 4,
) -> Iterator[ImageResult]:
    """Predict the images of a split one after the other, in its order.

    A thread predicts the next ones while the caller counts.

    Args:
        predict: `Predictor.label_maps_and_confidence` of a network for the classes of
            `class_map`.
        split: what to predict.
        class_map: the classes of its label maps.
        batch_size: images at a time, where all are of one size.
    """
    batches = evaluation_batches(split.examples, split, batch_size)
    predict = with_full_batches(predict)
    with ThreadPoolExecutor(1) as executor:
        before = None
        for batch in batches.as_numpy_iterator():
            answer = executor.submit(predict, batch["image"])
            if before is not None:
                yield from _results(*before, class_map)
            before = batch, answer
        if before is not None:
            yield from _results(*before, class_map)


def _results(batch, answer, class_map):
    """What came of each image of a batch."""
    columns = (batch["name"], batch["image"], batch["label_map"], *answer.result())
    for name, image, label_map, prediction, confidence in zip(*columns, strict=True):
        matrix = confusion_matrix_of(
            label_map, prediction, class_map.num_classes, class_map.void_id
        )
        yield ImageResult(
            name.decode(), image, label_map, prediction, confidence, matrix
        )


def quick_scores(
    predict: Callable[[np.ndarray], np.ndarray],
    dataset: SegmentationDataset,
    split_name: str,
) -> dict[str, float]:
    """Score a network on a split, and write nothing.

    Args:
        predict: `Predictor.label_maps` of a network for the data set's classes.
        dataset: the data.
        split_name: "train", "val" or "test".

    Returns:
        `mean_iou` and `pixel_accuracy`, shares in [0, 1].
    """
    split, class_map = dataset.split(split_name), dataset.class_map
    batches = evaluation_batches(split.examples, split, batch_size=1)
    matrix = sum(
        confusion_matrix_of(
            batch["label_map"],
            predict(batch["image"]),
            class_map.num_classes,
            class_map.void_id,
        )
        for batch in batches.as_numpy_iterator()
    )
    scores = segmentation_scores(matrix)
    return {name: scores[name] for name in ("mean_iou", "pixel_accuracy")}


def scores_report(
    matrix: np.ndarray,
    dataset: SegmentationDataset,
    split_name: str,
    prediction: str = "one look",
) -> dict:
    """Describe scores so that they can be read alone: what of, over what, by what rule.

    Args:
        matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
        dataset: what was scored.
        split_name: the split.
        prediction: how it was predicted, for people.

    Returns:
        dict for JSON; scores are shares in [0, 1], null where nothing was counted.
    """
    scores = segmentation_scores(matrix)
    split, names = dataset.split(split_name), dataset.class_map.names
    sizes = sorted(set(split.image_sizes))

    def by_class(values):
        return {
            name: _number_or_none(value)
            for name, value in zip(names, values, strict=True)
        }

    iou = scores["per_class_iou"]
    return {
        "dataset": dataset.name,
        "split": split_name,
        "val_pattern": dataset.val_pattern,
        "num_images": split.num_images,
        "image_sizes": [f"{height}x{width}" for height, width in sizes],
        "num_classes": len(names),
        "num_classes_scored": int((~np.isnan(iou)).sum()),
        "void_rule": f"pixels labelled {dataset.class_map.void_id} count nowhere",
        "mean_rule": "over the classes in labels or predictions of the whole split",
        "prediction": prediction,
        **{
            name: _number_or_none(scores[name])
            for name in (
                "pixel_accuracy",
                "mean_accuracy",
                "mean_iou",
                "frequency_weighted_iou",
            )
        },
        "per_class_iou": by_class(iou),
        "per_class_accuracy": by_class(scores["per_class_accuracy"]),
        "confusion_matrix": matrix.tolist(),
    }


def _number_or_none(value):
    return None if np.isnan(value) else float(value)


def evaluate(
    predict: Predict,
    dataset: SegmentationDataset,
    split_name: str,
    output_dir: Path,
    *,
    prediction: str = "one look",
    temperature: float = 1.0,
    batch_size: int = 4,
    num_worst: int = 10,
    num_overlays: int = 8,
) -> dict:
    """Score a network on a split and write what helps to understand the scores.

    `output_dir` gets `scores.json` (what is returned), `confusion_matrix.png`,
    `reliability.png` (see `draw_reliability`),
    `worst/` with image | truth | prediction | error of the images with the lowest mean
    IoU, and `overlays/` of images spread over the split.

    Args:
        predict: `Predictor.label_maps_and_confidence` of a network for the data set's
            classes.
        dataset: the data.
        split_name: "train", "val" or "test".
        output_dir: folder; made when missing.
        prediction: how `predict` looks at an image, for people.
        temperature: of its probabilities, for people.
        batch_size: images at a time, where all are of one size.
        num_worst: length of the list of the worst images.
        num_overlays: number of overlays.

    Returns:
        The report of `scores_report`, with `calibration` (the temperature, and the
        report of `ConfidenceCounts`; None where all is void), `seconds`, `worst_images`
        and `output_dir`.

    Raises:
        FileExistsError: if `output_dir` holds other things than an evaluation.
        NotADirectoryError: if `output_dir` is a file.
    """
    split, class_map = dataset.split(split_name), dataset.class_map
    _check_output(output_dir)
    shown = set(np.linspace(0, split.num_images - 1, num_overlays).round().astype(int))
    overlays = {}
    matrix = np.zeros((class_map.num_classes,) * 2, dtype="int64")
    counts = ConfidenceCounts()
    worst: list[tuple[float, int, ImageResult]] = []  # a heap, the best on top
    started = time.monotonic()
    results = predict_split(predict, split, class_map, batch_size)
    for index, result in enumerate(results):
        matrix += result.confusion_matrix
        is_labelled = result.label_map != class_map.void_id
        is_correct = result.prediction == result.label_map
        counts.update(result.confidence[is_labelled], is_correct[is_labelled])
        mean_iou = segmentation_scores(result.confusion_matrix)["mean_iou"]
        if not np.isnan(mean_iou):
            # The smallest is on top of a heap: of the negatives, the best image.
            heapq.heappush(worst, (-mean_iou, index, result))
            if len(worst) > num_worst:
                heapq.heappop(worst)
        if index in shown:
            overlays[result.name] = overlay_with_legend(
                result.image, result.prediction, class_map
            )
        _show_progress(index + 1, split.num_images, started)
    worst.sort(reverse=True)  # the lowest mean IoU first
    report = scores_report(matrix, dataset, split_name, prediction)
    has_pixels = matrix.any()
    report["calibration"] = (
        {"temperature": temperature, **counts.report()} if has_pixels else None
    )
    report["output_dir"] = str(output_dir)
    report["seconds"] = round(time.monotonic() - started, 1)
    report["worst_images"] = [
        {"name": result.name, "mean_iou": -negative_iou}
        for negative_iou, _, result in worst
    ]
    panels = {
        f"{rank:02}-{result.name}": sample_panel(
            result.image, result.label_map, result.prediction, class_map
        )
        for rank, (_, _, result) in enumerate(worst, start=1)
    }
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(output_dir / "scores.json", report)  # first: it marks the folder as ours
    picture = confusion_matrix_picture(matrix, class_map)
    write_png(output_dir / "confusion_matrix.png", picture)
    if has_pixels:
        draw_reliability(counts, output_dir / "reliability.png")
    _write_pictures(output_dir / "worst", panels)
    _write_pictures(output_dir / "overlays", overlays)
    return report


def _check_output(folder):
    """Refuse a folder that holds other things than an earlier evaluation."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"`output_dir` must be a folder. Received: {folder}, a file"
        )
    is_evaluation = (folder / "scores.json").is_file()
    if folder.exists() and not is_evaluation and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} holds other things than an evaluation: choose a new or empty "
            "folder as `output_dir`"
        )


def _write_pictures(folder, pictures):
    """Write pictures by name, in place of those of an earlier evaluation."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for name, picture in pictures.items():
        write_png(folder / f"{name.replace('/', '-')}.png", picture)


def format_report(report: dict) -> str:
    """Write a report as a table for people, classes by name.

    Args:
        report: what `evaluate` gave.
    """
    sizes = ", ".join(report["image_sizes"][:3])
    if len(report["image_sizes"]) > 3:
        sizes += f" and {len(report['image_sizes']) - 3} more sizes"
    lines = [
        f"{report['dataset']} {report['split']}: {report['num_images']} images "
        f"({sizes}), {report['num_classes']} classes; {report['void_rule']}"
        + ("" if report["prediction"] == "one look" else f"; {report['prediction']}")
        + _describe_val_pattern(report),
        "",
        *class_table(report),
    ]
    scored = f"{report['num_classes_scored']} of {report['num_classes']} classes"
    lines += [
        "",
        f"mean IoU               {_percent(report['mean_iou']):>7}   over {scored}",
        f"pixel accuracy         {_percent(report['pixel_accuracy']):>7}",
        f"mean accuracy          {_percent(report['mean_accuracy']):>7}",
        f"frequency weighted IoU {_percent(report['frequency_weighted_iou']):>7}",
        *_describe_calibration(report["calibration"]),
        "",
        "worst images, by their own mean IoU:",
        *(
            f"  {printable(image['name']):<30} {_percent(image['mean_iou']):>7}"
            for image in report["worst_images"]
        ),
    ]
    return "\n".join(lines)


def _describe_calibration(calibration):
    """Lines on how sure the network is; none where nothing was counted."""
    if calibration is None:
        return []
    risks = calibration["risk_at_coverage"]
    return [
        "",
        f"expected calibration error {calibration['expected_calibration_error']:.1%} "
        f"at temperature {calibration['temperature']:.2f}",
        "errors among the surest pixels: "
        + ", ".join(f"{risk:.1%} of {share}" for share, risk in risks.items()),
    ]


def class_table(report: dict) -> list[str]:
    """Return the lines of a table of IoU and accuracy by class.

    Args:
        report: what `scores_report` gave.
    """
    lines = [f"{'class':<20}{'IoU':>9}{'accuracy':>11}"]
    for name, iou in report["per_class_iou"].items():
        accuracy = report["per_class_accuracy"][name]
        lines.append(f"{printable(name):<20}{_percent(iou):>9}{_percent(accuracy):>11}")
    return lines


def _describe_val_pattern(report):
    """What must be known of the split where it is not the published one."""
    if report["val_pattern"] is None or report["split"] == "test":
        return ""
    return f"; held out for validation: {report['val_pattern']}"


def _percent(share):
    """A share as a percentage; a dash where nothing was counted."""
    return "–" if share is None else f"{share:.1%}"


def _show_progress(count, total, started):
    """Keep a line on a terminal up to date, and remove it at the end."""
    if not sys.stderr.isatty():
        return
    rate = count / (time.monotonic() - started)
    line = f"{count}/{total} images  {rate:.1f} images/s" if count < total else ""
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()
