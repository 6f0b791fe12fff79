"""Calibration of a network's confidence: temperature, reliability, risk and coverage.

Networks trained to convergence are overconfident. Dividing the logits by one number,
the temperature, before the softmax changes no label and makes the confidence match the
accuracy.

References: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
2017; Geifman and El-Yaniv, "Selective classification for deep neural networks", 2017.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import Split
from keras_fcn.evaluation.predictions import predict_batches
from keras_fcn.storage.atomic import atomic_file

NUM_BINS = 15  # of the expected calibration error, as in Guo et al.
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)
_MAX_PIXELS = 1_000_000  # used to fit a temperature: 44 MB of logits for 11 classes
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.05, 20.0
# Risk against coverage is computed from a histogram of the confidence. Its bins are
# uniform in log10(1 - confidence), because most pixels have a confidence near 1.
_NUM_CELLS, _DECADES = 4096, 8.0


def fit_temperature(
    predict_logits: Callable[[np.ndarray], np.ndarray],
    split: Split,
    class_map: ClassMap,
    batch_size: int = 4,
) -> dict:
    """Fit the temperature that minimizes the cross-entropy of a split's labels.

    The cross-entropy is convex in the inverse of the temperature; the zero of its
    derivative is found by bisection. Of large splits, a random sample of a million
    pixels is used, the same number from each image.

    Args:
        predict_logits: function of images, uint8 `(batch, height, width, 3)`, to
            float32 `(batch, height, width, num_classes)`.
        split: images that the network was not trained on.
        class_map: the classes of its label maps.
        batch_size: number of images in a batch; 1 if the images differ in size.

    Returns:
        `temperature`, 0.05 to 20; `num_images` and `num_pixels` that were used; and
        `cross_entropy` (nats) and `expected_calibration_error` of these pixels, each
        with `before` and `after`.

    Raises:
        ValueError: if all pixels are void.
    """
    samples = list(_sample_pixels(predict_logits, split, class_map, batch_size))
    logits = np.concatenate([logits for logits, _ in samples])  # (P, C)
    labels = np.concatenate([labels for _, labels in samples])  # (P,)
    if not len(labels):
        raise ValueError("Fitting a temperature requires labelled pixels: all are void")
    # The derivative by the inverse temperature is the mean over pixels of the expected
    # logit minus the label's logit.
    true = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0].mean()
    low, high = np.log(_MIN_TEMPERATURE), np.log(_MAX_TEMPERATURE)
    for _ in range(25):  # relative error 2e-7
        middle = (low + high) / 2
        expected = (_softmax(logits, np.exp(middle)) * logits).sum(axis=1).mean()
        low, high = (middle, high) if expected > true else (low, middle)
    temperature = float(np.exp((low + high) / 2))
    before, after = (_measure(logits, labels, each) for each in (1.0, temperature))
    return {
        "temperature": temperature,
        "num_images": split.num_images,
        "num_pixels": len(labels),
        **{name: {"before": before[name], "after": after[name]} for name in before},
    }


class ConfidenceCounts:
    """Histograms of the confidence of correct and of wrong pixels.

    They are sums over images and take a constant amount of memory.
    """

    def __init__(self):
        self._count = np.zeros(NUM_BINS)
        self._correct = np.zeros(NUM_BINS)
        self._confidence = np.zeros(NUM_BINS)
        # Rows: wrong, correct. Columns: from the lowest to the highest confidence.
        self._cells = np.zeros((2, _NUM_CELLS))

    def update(self, confidence: np.ndarray, is_correct: np.ndarray) -> None:
        """Count pixels.

        Args:
            confidence: float32 `(pixels,)`, probabilities of the predicted classes.
            is_correct: bool `(pixels,)`.
        """
        bins = np.minimum((confidence * NUM_BINS).astype("int64"), NUM_BINS - 1)
        self._count += np.bincount(bins, minlength=NUM_BINS)
        self._correct += np.bincount(bins[is_correct], minlength=NUM_BINS)
        self._confidence += np.bincount(bins, confidence, minlength=NUM_BINS)
        distance = np.maximum(1 - confidence.astype("float64"), 10**-_DECADES)
        cells = (-np.log10(distance) * (_NUM_CELLS / _DECADES)).astype("int64")
        cells = np.minimum(cells, _NUM_CELLS - 1)
        for row, is_selected in enumerate((~is_correct, is_correct)):
            self._cells[row] += np.bincount(cells[is_selected], minlength=_NUM_CELLS)

    def report(self) -> dict:
        """Compute the calibration metrics, for JSON.

        Returns:
            `expected_calibration_error`: mean absolute difference of confidence and
            accuracy over 15 bins of equal width, weighted by their pixels;
            `reliability`: for each bin with pixels its `share` of them, its mean
            `confidence` and its `accuracy`;
            `risk_at_coverage`: share of errors among the most confident 100, 95, 90, 80
            and 50 % of the pixels;
            `area_under_risk_coverage`: mean of that share over all coverages;
            `error_auroc`: probability that a wrong pixel has a lower confidence than a
            correct one; None if there are no wrong or no correct pixels.
        """
        is_filled = self._count > 0
        count = self._count[is_filled]
        share = count / count.sum()
        accuracy = self._correct[is_filled] / count
        confidence = self._confidence[is_filled] / count
        bins = (share.tolist(), confidence.tolist(), accuracy.tolist())
        coverage, risk = self.risk_coverage()
        wrong, correct = self._cells
        auroc = None
        if wrong.sum() and correct.sum():
            above = correct[::-1].cumsum()[::-1] - correct  # in cells above each cell
            pairs = (wrong * (above + correct / 2)).sum()  # pairs in one cell: half
            auroc = float(pairs / (wrong.sum() * correct.sum()))
        return {
            "expected_calibration_error": float(
                (share * np.abs(accuracy - confidence)).sum()
            ),
            "reliability": [
                dict(zip(("share", "confidence", "accuracy"), values, strict=True))
                for values in zip(*bins, strict=True)
            ],
            "risk_at_coverage": {
                f"{share:.0%}": float(np.interp(share, coverage, risk))
                for share in COVERAGES
            },
            "area_under_risk_coverage": float(
                np.trapezoid(risk, coverage) + coverage[0] * risk[0]
            ),
            "error_auroc": auroc,
        }

    def risk_coverage(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of errors among the most confident pixels.

        Returns:
            Coverage (the share of pixels that are kept, increasing to 1) and risk (the
            share of errors among them), both float64 `(steps,)`.
        """
        kept = self._cells[:, ::-1].cumsum(axis=1)  # from the highest confidence
        kept = kept[:, np.append(True, np.diff(kept.sum(axis=0)) > 0)]
        kept = kept[:, kept.sum(axis=0) > 0]
        return kept.sum(axis=0) / self._cells.sum(), kept[0] / kept.sum(axis=0)


def draw_reliability(counts: ConfidenceCounts, path: Path) -> None:
    """Draw a reliability diagram, and risk against coverage.

    In the diagram, the area of a point is proportional to the pixels in its bin. A
    calibrated network lies on the diagonal.

    Args:
        counts: counts of at least one pixel.
        path: PNG file to write.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    report = counts.report()
    confidence, accuracy, share = (
        [each[name] for each in report["reliability"]]
        for name in ("confidence", "accuracy", "share")
    )
    left.plot([0, 1], [0, 1], color="0.7")
    left.plot(confidence, accuracy, color="C0")
    left.scatter(confidence, accuracy, s=[20 + 400 * each for each in share])
    error = report["expected_calibration_error"]
    left.set(
        title=f"reliability; expected calibration error {error:.1%}",
        xlabel="confidence",
        ylabel="accuracy",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
    )
    coverage, risk = counts.risk_coverage()
    right.plot(100 * coverage, 100 * risk)
    right.set(
        title="risk against coverage",
        xlabel="most confident pixels that are kept, %",
        ylabel="errors among them, %",
        xlim=(0, 101),
        ylim=(0, None),
    )
    for axes in (left, right):
        axes.grid(alpha=0.3)
    with atomic_file(path) as part:
        figure.savefig(part, dpi=100)


def _sample_pixels(
    predict_logits, split, class_map, batch_size
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield logits `(pixels, num_classes)` and labels `(pixels,)` of each image."""
    rng = np.random.default_rng(0)
    max_pixels = max(1, _MAX_PIXELS // split.num_images)
    for batch, batch_logits in predict_batches(predict_logits, split, batch_size):
        for logits, label_map in zip(batch_logits, batch["label_map"], strict=True):
            labelled = np.flatnonzero(label_map != class_map.void_id)
            if len(labelled) > max_pixels:
                labelled = rng.choice(labelled, max_pixels, replace=False)
            flat = logits.reshape(-1, logits.shape[-1])  # (H * W, C)
            yield flat[labelled], label_map.ravel()[labelled].astype("int64")


def _softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    shares = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return shares / shares.sum(axis=1, keepdims=True)


def _measure(logits, labels, temperature) -> dict[str, float]:
    """Cross-entropy and calibration error at a temperature."""
    probabilities = _softmax(logits, temperature)
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    counts = ConfidenceCounts()
    counts.update(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return {
        "cross_entropy": float(-np.log(np.maximum(true, 1e-38)).mean()),
        "expected_calibration_error": counts.report()["expected_calibration_error"],
    }
