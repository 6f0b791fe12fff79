"""Scores of a split as JSON and as a table."""

import numpy as np

from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.drawing.text import padded
from keras_fcn.errors import printable
from keras_fcn.metrics.confusion_matrix import SCORES, segmentation_scores

SINGLE_SCALE = "single scale"  # the default inference mode's name in reports


def scores_report(
    matrix: np.ndarray,
    dataset: SegmentationDataset,
    split_name: str,
    prediction: str = SINGLE_SCALE,
) -> dict:
    """Describe the scores of a split together with the data and the rules behind them.

    Args:
        matrix: int64 `(num_classes, num_classes)`, `[true, predicted]`.
        dataset: the data set.
        split_name: the split.
        prediction: description of the inference mode.

    Returns:
        dict for JSON. Scores are shares in [0, 1]; None if no pixel was counted.
    """
    scores = segmentation_scores(matrix)
    split, names = dataset.split(split_name), dataset.class_map.names
    sizes = sorted(set(split.image_sizes))

    def number_or_none(value):
        return None if np.isnan(value) else float(value)  # JSON has no NaN

    def by_class(values):
        return dict(zip(names, map(number_or_none, values), strict=True))

    return {
        "dataset": dataset.name,
        "split": split_name,
        "val_pattern": dataset.val_pattern,
        "num_images": split.num_images,
        "image_sizes": [f"{width}x{height}" for height, width in sizes],
        "num_classes": len(names),
        "num_classes_scored": int((~np.isnan(scores["per_class_iou"])).sum()),
        "void_rule": f"pixels labelled {dataset.class_map.void_id} are ignored",
        "mean_rule": "over the classes in labels or predictions of the whole split",
        "prediction": prediction,
        **{name: number_or_none(scores[name]) for name in SCORES},
        "per_class_iou": by_class(scores["per_class_iou"]),
        "per_class_accuracy": by_class(scores["per_class_accuracy"]),
        "confusion_matrix": matrix.tolist(),
    }


def format_report(report: dict) -> str:
    """Format a report as a table.

    Args:
        report: from `evaluate`.
    """
    sizes = ", ".join(report["image_sizes"][:3])
    if len(report["image_sizes"]) > 3:
        sizes += f" and {len(report['image_sizes']) - 3} more sizes"
    title = (
        f"{report['dataset']} {report['split']}: {report['num_images']} images "
        f"({sizes} pixels), {report['num_classes']} classes; {report['void_rule']}"
    )
    if report["prediction"] != SINGLE_SCALE:
        title += f"; {report['prediction']}"
    # The pattern divides the training images: test images do not depend on it.
    if report["val_pattern"] is not None and report["split"] != "test":
        title += f"; held out for validation: {report['val_pattern']}"
    scored = f"{report['num_classes_scored']} of {report['num_classes']} classes"
    lines = [
        title,
        "",
        *class_table(report),
        "",
        f"mean IoU               {_percent(report['mean_iou']):>7}   over {scored}",
        f"pixel accuracy         {_percent(report['pixel_accuracy']):>7}",
        f"mean accuracy          {_percent(report['mean_accuracy']):>7}",
        f"frequency weighted IoU {_percent(report['frequency_weighted_iou']):>7}",
    ]
    if (calibration := report["calibration"]) is not None:
        error = calibration["expected_calibration_error"]
        risks = calibration["risk_at_coverage"].items()
        lines += [
            "",
            f"expected calibration error {error:.1%} at temperature "
            f"{calibration['temperature']:.2f}",
            "errors among the most confident pixels: "
            + ", ".join(f"{risk:.1%} of {share}" for share, risk in risks),
        ]
    lines += ["", "images with the lowest mean IoU:"]
    for image in report["worst_images"]:
        lines.append(
            f"  {printable(image['name']):<30} {_percent(image['mean_iou']):>7}"
        )
    return "\n".join(lines)


def class_table(report: dict) -> list[str]:
    """Return the lines of a table of IoU and accuracy by class.

    Args:
        report: from `scores_report`.
    """
    lines = [f"{'class':<20}{'IoU':>9}{'accuracy':>11}"]
    for name, iou in report["per_class_iou"].items():
        accuracy = report["per_class_accuracy"][name]
        column = padded(printable(name), 20)
        lines.append(f"{column}{_percent(iou):>9}{_percent(accuracy):>11}")
    return lines


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
