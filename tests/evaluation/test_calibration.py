import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.evaluation.calibration import (
    ConfidenceCounts,
    draw_reliability,
    fit_temperature,
)
from keras_fcn.images.reading import read_image
from tests.support.data import split_of

CLASS_MAP = ClassMap(("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), void_id=255)


def sampled_split(temperature, void_rows=0):
    """Random logits as images, and labels sampled from their softmax."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 60, 80, 3)) * 4
    shares = np.exp(logits / temperature)
    shares /= shares.sum(axis=-1, keepdims=True)
    is_above = rng.random((3, 60, 80, 1)) > shares.cumsum(axis=-1)
    label_maps = is_above.sum(axis=-1).clip(0, 2).astype("uint8")
    label_maps[:, :void_rows] = 255
    return split_of(
        [(60, 80)] * 3,
        name=["one", "two", "three"],
        image=logits.astype("float32"),  # the network is the identity
        label_map=label_maps,
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_that_of_the_labels_distribution(temperature):
    report = fit_temperature(
        lambda images: images, sampled_split(temperature), CLASS_MAP
    )
    assert report["temperature"] == pytest.approx(temperature, rel=0.1)
    assert report["num_images"] == 3 and report["num_pixels"] == 3 * 60 * 80
    entropy, error = report["cross_entropy"], report["expected_calibration_error"]
    assert entropy["after"] <= entropy["before"] + 1e-9
    assert error["after"] < 0.02
    if temperature != 1:
        assert error["before"] > 0.04


def test_void_pixels_are_ignored_and_an_all_void_split_is_refused():
    report = fit_temperature(lambda images: images, sampled_split(3.0, 30), CLASS_MAP)
    assert report["num_pixels"] == 3 * 30 * 80
    assert report["temperature"] == pytest.approx(3, rel=0.1)
    with pytest.raises(ValueError, match="requires labelled pixels: all are void"):
        fit_temperature(lambda images: images, sampled_split(1.0, 60), CLASS_MAP)


def test_calibration_error_of_two_bins():
    counts = ConfidenceCounts()
    # Two bins of fifteen: 0.50 is in [7/15, 8/15), 0.9 in [13/15, 14/15).
    counts.update(np.float32([0.5, 0.5, 0.9]), np.array([True, False, True]))
    counts.update(np.float32([0.9]), np.array([False]))
    report = counts.report()
    # Half of the pixels have confidence 50 %, half 90 %; both are 50 % correct.
    assert report["expected_calibration_error"] == pytest.approx(0.2, abs=1e-6)
    assert [row["share"] for row in report["reliability"]] == [0.5, 0.5]
    assert [row["accuracy"] for row in report["reliability"]] == [0.5, 0.5]


def test_risk_decreases_with_coverage_if_errors_have_low_confidence():
    counts = ConfidenceCounts()
    confidence = np.float32([0.99, 0.9, 0.8, 0.6])
    counts.update(confidence, np.array([True, True, True, False]))
    coverage, risk = counts.risk_coverage()
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 0, 0, 0.25])
    report = counts.report()
    assert report["risk_at_coverage"]["100%"] == 0.25
    assert report["risk_at_coverage"]["50%"] == 0
    assert report["area_under_risk_coverage"] == pytest.approx(0.25 / 8)
    assert report["error_auroc"] == 1


def test_auroc_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score  # slow to import

    rng = np.random.default_rng(0)
    confidence = rng.random(5000).astype("float32") ** 0.2
    is_correct = rng.random(5000) < confidence
    counts = ConfidenceCounts()
    counts.update(confidence, is_correct)
    expected = roc_auc_score(is_correct, confidence)
    assert counts.report()["error_auroc"] == pytest.approx(expected, abs=2e-3)


def test_pixels_of_the_same_confidence_count_half_in_the_auroc():
    counts = ConfidenceCounts()
    counts.update(np.float32([0.5, 0.5, 0.9]), np.array([True, False, True]))
    assert counts.report()["error_auroc"] == 0.75
    counts.update(np.float32([0.5]), np.array([False]))
    assert counts.report()["error_auroc"] == 0.75  # 2 of 4 pairs, and 2 halves


def test_auroc_is_none_without_errors():
    counts = ConfidenceCounts()
    counts.update(np.float32([1.0, 0.5]), np.array([True, True]))
    report = counts.report()
    assert report["error_auroc"] is None
    assert report["area_under_risk_coverage"] == 0


def test_the_reliability_diagram_is_a_png(tmp_path):
    counts = ConfidenceCounts()
    counts.update(np.float32([0.7, 0.95]), np.array([False, True]))
    draw_reliability(counts, tmp_path / "reliability.png")
    assert read_image(tmp_path / "reliability.png").shape == (450, 1000, 3)
