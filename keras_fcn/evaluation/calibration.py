"""How far a network's probabilities can be believed, and what makes them so.

A network that is trained to the end is surer than it is right. Dividing its scores by
one number, the temperature, before the softmax changes no label and can make the
probabilities those of being right.

References: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
2017; Geifman and El-Yaniv, "Selective classification for deep neural networks", 2017.
"""

from collections.abc import Callable, Iterator

import numpy as np

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import Split
from keras_fcn.datasets.pipeline import evaluation_batches
from keras_fcn.evaluation.full_batches import with_full_batches

NUM_BINS = 15  # of the expected calibration error
_MOST_PIXELS = 1_000_000  # that a temperature is fitted on
_COLDEST, _WARMEST = 0.05, 20.0
# Cells of confidence for risk against coverage: even in its distance to 1, by decades,
# because most pixels are nearly certain.
_NUM_CELLS, _DECADES = 4096, 8.0
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)


def fit_temperature(
    scores: Callable[[np.ndarray], np.ndarray],
    split: Split,
    class_map: ClassMap,
    batch_size: int = 4,
) -> dict:
    """Fit the temperature that makes a split's labels most likely.

    The cross-entropy of the labelled pixels is convex in the inverse of the
    temperature, whose best value is found by halving. Of a large split, pixels drawn
    evenly from all images stand for the others, a million in all.

    Args:
        scores: function of images, uint8 `(batch, height, width, 3)`, to logits,
            float32 `(batch, height, width, num_classes)`.
        split: images that the network was not trained on.
        class_map: the classes of its label maps.
        batch_size: images at a time, where all are of one size.

    Returns:
        `temperature`, 0.05 to 20; `num_images` and `num_pixels` that it was fitted on;
        `cross_entropy` and `expected_calibration_error` of these pixels, each with
        `before` and `after`.

    Raises:
        ValueError: if no pixel is labelled.
    """
    drawn = list(_draw_pixels(scores, split, class_map, batch_size))
    logits = np.concatenate([logits for logits, _ in drawn])  # (P, C)
    labels = np.concatenate([labels for _, labels in drawn])  # (P,)
    if not len(labels):
        raise ValueError("A temperature needs labelled pixels: all are void")
    true = np.take_along_axis(logits, labels[:, None], axis=1)[:, 0].mean()
    low, high = np.log(_COLDEST), np.log(_WARMEST)
    for _ in range(25):  # to a factor of 1 + 2e-7
        middle = (low + high) / 2
        expected = (_softmax(logits, np.exp(middle)) * logits).sum(axis=1).mean()
        # Where the mean score is above that of the labels, it is too sure of them.
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
    """Counts over pixels of how sure a network is, and whether it is right.

    All are summed over images, so that memory is that of some thousand numbers.
    """

    def __init__(self):
        self._count = np.zeros(NUM_BINS)
        self._correct = np.zeros(NUM_BINS)
        self._confidence = np.zeros(NUM_BINS)
        self._cells = np.zeros((2, _NUM_CELLS))  # wrong and right, surest last

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
        for row, is_meant in enumerate((~is_correct, is_correct)):
            self._cells[row] += np.bincount(cells[is_meant], minlength=_NUM_CELLS)

    def report(self) -> dict:
        """Describe what was counted, for JSON.

        Returns:
            `expected_calibration_error`: mean distance of confidence and accuracy over
            15 bins of equal width, by their pixels; `reliability`: of each bin with
            pixels its `share` of them, mean `confidence` and `accuracy`;
            `risk_at_coverage`: share of errors among the surest 100, 95, 90, 80 and 50
            % of the pixels; `area_under_risk_coverage`: its mean over all coverages;
            `error_auroc`: probability that a wrong pixel is less sure than a right one,
            None where all are right, or all wrong.
        """
        total = self._count.sum()
        filled = self._count > 0
        count = self._count[filled]
        accuracy, confidence = (
            sums[filled] / count for sums in (self._correct, self._confidence)
        )
        coverage, risk = self.risk_coverage()
        return {
            "expected_calibration_error": float(
                (count * np.abs(accuracy - confidence)).sum() / total
            ),
            "reliability": [
                {"share": share, "confidence": mean, "accuracy": right}
                for share, mean, right in zip(
                    (count / total).tolist(),
                    confidence.tolist(),
                    accuracy.tolist(),
                    strict=True,
                )
            ],
            "risk_at_coverage": {
                f"{share:.0%}": float(np.interp(share, coverage, risk))
                for share in COVERAGES
            },
            "area_under_risk_coverage": float(
                np.trapezoid(risk, coverage) + coverage[0] * risk[0]
            ),
            "error_auroc": self._auroc(),
        }

    def risk_coverage(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of errors among the surest pixels.

        Returns:
            Coverage, the share of the pixels that are kept, rising to 1; and the share
            of errors among them; both float64 `(steps,)`.
        """
        kept = self._cells[:, ::-1].cumsum(axis=1)  # the surest first
        kept = kept[:, np.append(True, np.diff(kept.sum(axis=0)) > 0)]
        kept = kept[:, kept.sum(axis=0) > 0]
        return kept.sum(axis=0) / self._cells.sum(), kept[0] / kept.sum(axis=0)

    def _auroc(self):
        wrong, right = self._cells
        if not wrong.sum() or not right.sum():
            return None
        surer = right[::-1].cumsum()[::-1] - right  # right ones in surer cells
        pairs = (wrong * (surer + right / 2)).sum()
        return float(pairs / (wrong.sum() * right.sum()))


def _draw_pixels(scores, split, class_map, batch_size) -> Iterator:
    """Logits and labels, `(pixels, num_classes)` and `(pixels,)`, of some pixels."""
    draws = np.random.default_rng(0)
    most = max(1, _MOST_PIXELS // split.num_images)
    batches = evaluation_batches(split.examples, split, batch_size)
    scores = with_full_batches(scores)
    for batch in batches.as_numpy_iterator():
        for logits, label_map in zip(
            scores(batch["image"]), batch["label_map"], strict=True
        ):
            labelled = np.flatnonzero(label_map != class_map.void_id)
            if len(labelled) > most:
                labelled = draws.choice(labelled, most, replace=False)
            flat = logits.reshape(-1, logits.shape[-1])
            yield flat[labelled], label_map.ravel()[labelled].astype("int64")


def _softmax(logits, temperature):
    shares = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return shares / shares.sum(axis=1, keepdims=True)


def _measure(logits, labels, temperature):
    probabilities = _softmax(logits, temperature)
    true = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    counts = ConfidenceCounts()
    counts.update(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return {
        "cross_entropy": float(-np.log(np.maximum(true, 1e-38)).mean()),
        "expected_calibration_error": counts.report()["expected_calibration_error"],
    }
