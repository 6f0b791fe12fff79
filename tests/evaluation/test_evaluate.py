"""Scores of a whole split, and what is written with them."""

import json
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.metrics import jaccard_score

from keras_fcn.classes import ClassMap
from keras_fcn.datasets.dataset import SegmentationDataset, Split
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.drawing.panels import sample_panel
from keras_fcn.evaluation import evaluate as evaluate_module
from keras_fcn.evaluation.evaluate import (
    evaluate,
    format_report,
    predict_split,
    scores_report,
)
from keras_fcn.prediction.predictor import make_predictor
from tests.support.data import write_folder

CLASS_MAP = ClassMap(("sky", "road"), ((0, 0, 255), (90, 90, 90)), void_id=255)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("data") / "mine", {"test": 5})
    Image.new("RGB", (80, 20), (9, 200, 9)).save(folder / "images/test/wide.png")
    Image.new("L", (80, 20), 1).save(folder / "labels/test/wide.png")
    return load_folder(folder, ("test",))


@pytest.fixture(scope="module")
def predict(model):
    return make_predictor(model).label_maps_and_confidence


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


def test_pixels_are_counted_in_whole_numbers(evaluated):
    report, _ = evaluated
    assert np.asarray(report["confusion_matrix"]).dtype == np.int64


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


def test_the_next_image_is_predicted_while_the_caller_counts(dataset):
    begun = [Event() for _ in range(6)]
    calls = iter(begun)

    def predict(images):
        next(calls).set()
        return np.zeros(images.shape[:3], "uint8"), np.ones(images.shape[:3], "float32")

    results = predict_split(predict, dataset.split("test"), dataset.class_map)
    next(results)
    assert begun[1].wait(10) and not begun[2].is_set()
    results.close()
    assert not begun[2].is_set()


def test_what_a_prediction_raises_is_raised(dataset):
    def predict(images):
        raise MemoryError

    with pytest.raises(MemoryError):
        list(predict_split(predict, dataset.split("test"), dataset.class_map))


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
    text = format_report({**report, "worst_images": [], "calibration": None})
    assert "class_2                     –" in text
    assert "over 2 of 3 classes" in text


def with_errors(wrong, split_name="val", val_pattern=None):
    """A data set of images of 20 pixels of sky, that many of them taken for road.

    The network of `red` reads its prediction from the image. IoU of sky is `(20 -
    errors) / 20`, of road 0 where there are errors: the mean is `(20 - errors) / 40`,
    or 1 without errors. None is an image whose label map is all void.
    """
    images, label_maps = [], []
    for count in wrong.values():
        prediction = np.zeros(20, "uint8")
        prediction[: count or 0] = 1
        image = np.stack([prediction, prediction + 100, prediction + 200], axis=-1)
        images.append(image.reshape(4, 5, 3))
        label_maps.append(np.full((4, 5), 255 if count is None else 0, "uint8"))
    examples = tf.data.Dataset.from_tensor_slices(
        {"name": list(wrong), "image": images, "label_map": label_maps}
    )
    split = Split(examples, ((4, 5),) * len(wrong))
    return SegmentationDataset("squares", CLASS_MAP, {split_name: split}, val_pattern)


def red(images):
    """Labels that it is sure of by 90 %."""
    return images[..., 0], np.full(images.shape[:3], 0.9, dtype="float32")


WRONG = {"fair": 4, "worst": 20, "void": None, "perfect": 0, "bad": 10, "as fair": 4}


def test_the_images_with_the_lowest_mean_iou_are_the_worst(tmp_path):
    dataset = with_errors(WRONG)
    report = evaluate(red, dataset, "val", tmp_path, num_worst=2)
    assert report["worst_images"] == [
        {"name": "worst", "mean_iou": 0.0},
        {"name": "bad", "mean_iou": 0.25},
    ]
    pictures = sorted((tmp_path / "worst").iterdir())
    assert [path.name for path in pictures] == ["01-worst.png", "02-bad.png"]
    examples = dataset.split("val").examples.as_numpy_iterator()
    (bad,) = [example for example in examples if example["name"] == b"bad"]
    panel = sample_panel(
        bad["image"], bad["label_map"], red(bad["image"])[0], dataset.class_map
    )
    with Image.open(pictures[1]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), panel)


def test_images_alike_are_all_listed_and_void_ones_not(tmp_path):
    report = evaluate(red, with_errors(WRONG), "val", tmp_path)
    worst = report["worst_images"]
    assert [image["mean_iou"] for image in worst] == [0, 0.25, 0.4, 0.4, 1]
    names = [image["name"] for image in worst]
    assert names[:2] + names[4:] == ["worst", "bad", "perfect"]
    assert set(names[2:4]) == {"fair", "as fair"}
    # 5 images of 20 pixels; 62 of them right.
    assert report["confusion_matrix"] == [[62, 38], [0, 0]]
    assert report["pixel_accuracy"] == report["mean_accuracy"] == 0.62
    assert report["per_class_iou"] == {"sky": 0.62, "road": 0.0}
    assert report["per_class_accuracy"] == {"sky": 0.62, "road": None}
    assert report["mean_iou"] == 0.31
    assert report["frequency_weighted_iou"] == 0.62
    assert report["num_classes_scored"] == 2


def test_ten_worst_images_eight_overlays_and_four_at_a_time_by_default(tmp_path):
    dataset = with_errors({f"image {index:02}": index for index in range(1, 13)})
    sizes = []

    def predict(images):
        sizes.append(len(images))
        return red(images)

    report = evaluate(predict, dataset, "val", tmp_path)
    assert sizes == [4, 4, 4]
    assert len(list(predict_split(predict, dataset.split("val"), CLASS_MAP))) == 12
    assert sizes[3:] == [4, 4, 4]
    names = [image["name"] for image in report["worst_images"]]
    assert names == [f"image {index:02}" for index in range(12, 2, -1)]
    overlays = sorted((tmp_path / "overlays").iterdir())
    # Of images 1 to 12, spread evenly from the first to the last.
    numbers = [1, 3, 4, 6, 7, 9, 10, 12]
    assert [path.name for path in overlays] == [f"image {n:02}.png" for n in numbers]
    first = next(dataset.split("val").examples.as_numpy_iterator())
    expected = overlay_with_legend(first["image"], red(first["image"])[0], CLASS_MAP)
    with Image.open(overlays[0]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_an_evaluation_takes_the_place_of_the_one_before(tmp_path):
    output_dir = tmp_path / "made" / "when missing"
    evaluate(red, with_errors(WRONG), "val", output_dir)
    evaluate(red, with_errors({"one": 3, "two": 5}), "val", output_dir)
    pictures = {str(p.relative_to(output_dir)) for p in output_dir.rglob("*.png")}
    assert pictures == {
        "confusion_matrix.png",
        "reliability.png",
        "worst/01-two.png",
        "worst/02-one.png",
        "overlays/one.png",
        "overlays/two.png",
    }


def test_an_empty_folder_is_taken_and_a_file_refused(tmp_path):
    dataset = with_errors({"one": 3})
    report = evaluate(red, dataset, "val", tmp_path)
    assert report["output_dir"] == str(tmp_path)
    file = tmp_path / "scores.json"
    with pytest.raises(NotADirectoryError, match=f"Received: {file}, a file"):
        evaluate(red, dataset, "val", file)


def test_the_seconds_are_those_of_the_predictions(tmp_path, monkeypatch):
    times = iter([100.0, 107.26])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(evaluate_module, "time", clock)
    monkeypatch.setattr(evaluate_module, "_show_progress", lambda *_: None)
    report = evaluate(red, with_errors({"one": 3}), "val", tmp_path)
    assert report["seconds"] == 7.3


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_alone(
    tmp_path, monkeypatch, capsys, is_terminal
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal, raising=False)
    times = iter([10.0, 10.5, 12.0, 14.0])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(evaluate_module, "time", clock)
    evaluate_module._show_progress(1, 2, started=0.0)
    evaluate_module._show_progress(2, 2, started=0.0)
    line = "\r\x1b[K1/2 images  0.1 images/s" + "\r\x1b[K"
    assert capsys.readouterr().err == (line if is_terminal else "")


def test_a_report_is_written_as_a_table(tmp_path):
    dataset = with_errors(WRONG, val_pattern="drive*")
    report = evaluate(
        red, dataset, "val", tmp_path, num_worst=1, prediction="ten looks"
    )
    assert (
        format_report(report)
        == """\
squares val: 6 images (4x5), 2 classes; pixels labelled 255 count nowhere; ten looks; \
held out for validation: drive*

class                     IoU   accuracy
sky                     62.0%      62.0%
road                     0.0%          –

mean IoU                 31.0%   over 2 of 2 classes
pixel accuracy           62.0%
mean accuracy            62.0%
frequency weighted IoU   62.0%

expected calibration error 28.0% at temperature 1.00
errors among the surest pixels: 38.0% of 100%, 38.0% of 95%, 38.0% of 90%, \
38.0% of 80%, 38.0% of 50%

worst images, by their own mean IoU:
  worst                             0.0%"""
    )


@pytest.mark.parametrize(
    ("num_sizes", "told"),
    [
        (1, "(4x5), 2 classes"),
        (3, "(4x5, 5x5, 6x5), 2 classes"),
        (4, "(4x5, 5x5, 6x5 and 1 more"),
        (6, "(4x5, 5x5, 6x5 and 3 more"),
    ],
)
def test_three_sizes_are_told_and_the_others_counted(tmp_path, num_sizes, told):
    report = evaluate(red, with_errors({"one": 3}), "val", tmp_path)
    report["image_sizes"] = [f"{4 + index}x5" for index in range(num_sizes)]
    assert f"1 images {told}" in format_report(report)


@pytest.mark.parametrize(
    ("split_name", "val_pattern", "told"),
    [("val", None, False), ("val", "a*", True), ("test", "a*", False)],
)
def test_a_hold_out_is_told_but_of_the_test_images(
    tmp_path, split_name, val_pattern, told
):
    dataset = with_errors({"one": 3}, split_name, val_pattern)
    report = evaluate(red, dataset, split_name, tmp_path)
    assert report["val_pattern"] == val_pattern
    text = format_report(report)
    assert ("held out for validation: a*" in text) is told
    assert "one look" not in text  # which goes without saying
    assert report["prediction"] == "one look"
