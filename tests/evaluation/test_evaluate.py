"""Scores of a whole split, and what is written with them."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from keras_fcn.datasets.folder import load_folder
from keras_fcn.evaluation import evaluate as evaluate_module
from keras_fcn.evaluation.evaluate import (
    evaluate,
    format_report,
    predict_split,
    scores_report,
)
from keras_fcn.prediction.predictor import make_predictor
from tests.support.data import write_folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine", {"test": 5})
    Image.new("RGB", (80, 20), (9, 200, 9)).save(folder / "images/test/wide.png")
    Image.new("L", (80, 20), 1).save(folder / "labels/test/wide.png")
    return load_folder(folder, ("test",))


@pytest.fixture(scope="module")
def predict(model):
    return make_predictor(model).label_maps


@pytest.fixture(scope="module")
def evaluated(predict, dataset, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("evaluation")
    report = evaluate(
        predict,
        dataset,
        "test",
        output_dir,
        num_worst=2,
        num_overlays=3,
    )
    return report, output_dir


def test_scores_are_those_of_scikit_learn_over_the_whole_split(
    model, dataset, evaluated
):
    true, predicted = [], []
    for example in dataset.split("test").examples.as_numpy_iterator():
        logits = model(example["image"][None])[0]
        is_labelled = example["label_map"] != 255
        true.append(example["label_map"][is_labelled])
        predicted.append(np.argmax(logits, axis=-1)[is_labelled])
    true, predicted = np.concatenate(true), np.concatenate(predicted)
    report, _ = evaluated
    iou = jaccard_score(true, predicted, average=None)
    assert list(report["per_class_iou"].values()) == pytest.approx(iou, abs=2e-3)
    assert report["mean_iou"] == pytest.approx(np.mean(iou), abs=2e-3)
    assert report["pixel_accuracy"] == pytest.approx(
        np.mean(true == predicted), abs=2e-3
    )


def test_a_report_says_what_was_scored_and_how(evaluated):
    report, output_dir = evaluated
    assert report["split"] == "test"
    assert report["num_images"] == 6
    assert report["image_sizes"] == ["20x80", "48x64"]
    assert report["num_classes"] == 3
    assert report["void_rule"] == "pixels labelled 255 count nowhere"
    assert np.sum(report["confusion_matrix"]) == 5 * 47 * 64 + 20 * 80
    assert json.loads((output_dir / "scores.json").read_text()) == report


def test_the_worst_images_come_worst_first(predict, dataset, evaluated):
    report, output_dir = evaluated
    everything = evaluate(predict, dataset, "test", output_dir / "all", num_worst=6)
    by_iou = [image["mean_iou"] for image in everything["worst_images"]]
    assert len(by_iou) == 6 and by_iou == sorted(by_iou)
    assert report["worst_images"] == everything["worst_images"][:2]
    assert len(list((output_dir / "worst").iterdir())) == 2


def test_a_folder_of_other_things_is_left_alone(predict, dataset, tmp_path):
    (tmp_path / "worst").mkdir()
    mine = tmp_path / "worst" / "mine.png"
    mine.write_bytes(b"picture")
    with pytest.raises(FileExistsError, match="other things than an evaluation"):
        evaluate(predict, dataset, "test", tmp_path)
    assert mine.exists()


def test_an_interrupted_evaluation_leaves_the_one_before(
    predict, dataset, tmp_path, monkeypatch
):
    before = evaluate(predict, dataset, "test", tmp_path / "out")
    pictures = sorted((tmp_path / "out").rglob("*.png"))

    def interrupt(count, total, started):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluate_module, "_show_progress", interrupt)
        for folder in ("out", "new"):
            with pytest.raises(KeyboardInterrupt):
                evaluate(predict, dataset, "test", tmp_path / folder)
    assert json.loads((tmp_path / "out/scores.json").read_text()) == before
    assert sorted((tmp_path / "out").rglob("*.png")) == pictures
    assert evaluate(predict, dataset, "test", tmp_path / "new")["num_images"] == 6


def test_pictures_are_written(evaluated):
    _, output_dir = evaluated
    assert len(list((output_dir / "overlays").iterdir())) == 3
    with Image.open(output_dir / "confusion_matrix.png") as picture:
        assert picture.size[0] > 100


def test_every_prediction_has_its_label_maps_own_size(predict, dataset):
    results = list(predict_split(predict, dataset.split("test"), dataset.class_map))
    assert len(results) == 6
    for result in results:
        assert result.prediction.shape == result.label_map.shape
        assert result.prediction.dtype == np.uint8


def test_scores_do_not_depend_on_the_batch_size(predict, tmp_path):
    dataset = load_folder(write_folder(tmp_path / "mine", {"val": 3}), ("val",))
    matrices = [
        sum(
            result.confusion_matrix
            for result in predict_split(
                predict,
                dataset.split("val"),
                dataset.class_map,
                batch_size,
            )
        )
        for batch_size in (1, 3)
    ]
    difference = np.abs(matrices[0] - matrices[1]).sum()
    assert difference <= 4  # pixels whose two best logits differ by rounding


def test_a_class_that_is_nowhere_is_a_dash_and_not_in_the_mean(dataset):
    # class 2 is neither in labels nor predictions: the mean is over the other two
    matrix = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    report = scores_report(matrix, dataset, "test")
    assert report["per_class_iou"]["class_2"] is None
    assert report["mean_iou"] == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert report["num_classes_scored"] == 2
    text = format_report({**report, "worst_images": []})
    assert "class_2                     –" in text
    assert "over 2 of 3 classes" in text
