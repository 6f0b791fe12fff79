import dataclasses

import numpy as np
import pytest

from keras_fcn.classes import ClassMap
from keras_fcn.evaluation.evaluate import evaluate
from keras_fcn.evaluation.report import format_report, scores_report
from tests.support.evaluation import WRONG, red, with_errors


def test_an_absent_class_has_a_dash_and_is_not_in_the_mean():
    # Class 2 is neither in labels nor in predictions: the mean is over the other two.
    matrix = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    class_map = ClassMap(("a", "b", "class_2"), ((0, 0, 0),) * 3, void_id=255)
    dataset = dataclasses.replace(with_errors({"one": 3}), class_map=class_map)
    report = scores_report(matrix, dataset, "val")
    assert report["per_class_iou"]["class_2"] is None
    assert report["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert report["num_classes_scored"] == 2
    text = format_report({**report, "worst_images": [], "calibration": None})
    assert "class_2                     –" in text
    assert "over 2 of 3 classes" in text


def test_a_report_is_formatted_as_a_table(tmp_path):
    dataset = with_errors(WRONG, val_pattern="drive*")
    report = evaluate(
        red, dataset, "val", tmp_path, num_worst=1, prediction="ten scales"
    )
    assert (
        format_report(report)
        == """\
squares val: 6 images (5x4 pixels), 2 classes; pixels labelled 255 are ignored; \
ten scales; held out for validation: drive*

class                     IoU   accuracy
sky                     62.0%      62.0%
road                     0.0%          –

mean IoU                 31.0%   over 2 of 2 classes
pixel accuracy           62.0%
mean accuracy            62.0%
frequency weighted IoU   62.0%

expected calibration error 28.0% at temperature 1.00
errors among the most confident pixels: 38.0% of 100%, 38.0% of 95%, 38.0% of 90%, \
38.0% of 80%, 38.0% of 50%

images with the lowest mean IoU:
  worst                             0.0%"""
    )


@pytest.mark.parametrize(
    ("num_sizes", "listed"),
    [
        (1, "(5x4 pixels), 2 classes"),
        (3, "(5x4, 5x5, 5x6 pixels), 2 classes"),
        (4, "(5x4, 5x5, 5x6 and 1 more"),
        (6, "(5x4, 5x5, 5x6 and 3 more"),
    ],
)
def test_three_sizes_are_listed_and_the_others_counted(tmp_path, num_sizes, listed):
    report = evaluate(red, with_errors({"one": 3}), "val", tmp_path)
    report["image_sizes"] = [f"5x{4 + index}" for index in range(num_sizes)]
    assert f"1 images {listed}" in format_report(report)


@pytest.mark.parametrize(
    ("split_name", "val_pattern", "is_shown"),
    [("val", None, False), ("val", "a*", True), ("test", "a*", False)],
)
def test_the_validation_pattern_is_shown_except_for_test_images(
    tmp_path, split_name, val_pattern, is_shown
):
    dataset = with_errors({"one": 3}, split_name, val_pattern)
    report = evaluate(red, dataset, split_name, tmp_path)
    assert report["val_pattern"] == val_pattern
    text = format_report(report)
    assert ("held out for validation: a*" in text) is is_shown
    assert "single scale" not in text  # the default
    assert report["prediction"] == "single scale"
