import json
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.drawing.overlays import overlay_with_legend
from keras_fcn.drawing.panels import sample_panel
from keras_fcn.evaluation import evaluate as evaluate_module
from keras_fcn.evaluation.evaluate import evaluate
from keras_fcn.evaluation.predictions import predict_split
from keras_fcn.prediction.predictor import make_predictor
from tests.support.data import write_folder
from tests.support.evaluation import CLASS_MAP, WRONG, red, with_errors


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


def test_scores_of_a_split_are_those_of_scikit_learn(model, dataset, evaluated):
    from sklearn.metrics import jaccard_score  # slow to import

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


def test_a_report_contains_the_data_and_the_rules(evaluated):
    report, output_dir = evaluated
    assert report["split"] == "test"
    assert report["num_images"] == 6
    assert report["image_sizes"] == ["80x20", "64x48"]
    assert report["num_classes"] == 3
    assert report["void_rule"] == "pixels labelled 255 are ignored"
    assert np.sum(report["confusion_matrix"]) == 5 * 47 * 64 + 20 * 80
    assert json.loads((output_dir / "scores.json").read_text()) == report


def test_pixel_counts_are_integers(evaluated):
    report, _ = evaluated
    assert np.asarray(report["confusion_matrix"]).dtype == np.int64


def test_the_worst_images_are_sorted_by_mean_iou(predict, dataset, evaluated):
    report, output_dir = evaluated
    everything = evaluate(predict, dataset, "test", output_dir / "all", num_worst=6)
    by_iou = [image["mean_iou"] for image in everything["worst_images"]]
    assert len(by_iou) == 6 and by_iou == sorted(by_iou)
    assert report["worst_images"] == everything["worst_images"][:2]
    assert len(list((output_dir / "worst").iterdir())) == 2


def test_a_folder_with_other_files_is_refused(predict, dataset, tmp_path):
    (tmp_path / "worst").mkdir()
    mine = tmp_path / "worst" / "mine.png"
    mine.write_bytes(b"picture")
    with pytest.raises(FileExistsError, match="other files than an evaluation"):
        evaluate(predict, dataset, "test", tmp_path)
    assert mine.exists()


def test_an_interrupted_evaluation_does_not_change_the_previous_one(
    predict, dataset, tmp_path
):
    before = evaluate(predict, dataset, "test", tmp_path / "out")
    paths = sorted((tmp_path / "out").rglob("*.png"))

    def interrupted():
        yield from [predict] * 2
        raise KeyboardInterrupt

    for folder in ("out", "new"):
        calls = interrupted()
        with pytest.raises(KeyboardInterrupt):
            evaluate(
                lambda images, calls=calls: next(calls)(images),
                dataset,
                "test",
                tmp_path / folder,
            )
    assert json.loads((tmp_path / "out/scores.json").read_text()) == before
    assert sorted((tmp_path / "out").rglob("*.png")) == paths
    assert evaluate(predict, dataset, "test", tmp_path / "new")["num_images"] == 6


def test_overlays_and_the_confusion_matrix_are_written(evaluated):
    _, output_dir = evaluated
    assert len(list((output_dir / "overlays").iterdir())) == 3
    with Image.open(output_dir / "confusion_matrix.png") as file:
        assert file.size[0] > 100


def test_worst_images_are_those_with_the_lowest_mean_iou(tmp_path):
    dataset = with_errors(WRONG)
    report = evaluate(red, dataset, "val", tmp_path, num_worst=2)
    assert report["worst_images"] == [
        {"name": "worst", "mean_iou": 0.0},
        {"name": "bad", "mean_iou": 0.25},
    ]
    paths = sorted((tmp_path / "worst").iterdir())
    assert [path.name for path in paths] == ["01-worst.png", "02-bad.png"]
    examples = dataset.split("val").examples.as_numpy_iterator()
    (bad,) = [example for example in examples if example["name"] == b"bad"]
    panel = sample_panel(
        bad["image"], bad["label_map"], red(bad["image"])[0], dataset.class_map
    )
    with Image.open(paths[1]) as file:
        np.testing.assert_array_equal(np.asarray(file), panel)


def test_images_of_equal_scores_are_listed_and_void_images_are_not(tmp_path):
    report = evaluate(red, with_errors(WRONG), "val", tmp_path)
    worst = report["worst_images"]
    assert [image["mean_iou"] for image in worst] == [0, 0.25, 0.4, 0.4, 1]
    names = [image["name"] for image in worst]
    assert names[:2] + names[4:] == ["worst", "bad", "perfect"]
    assert set(names[2:4]) == {"fair", "as fair"}
    # 62 of the 100 pixels in 5 images are correct.
    assert report["confusion_matrix"] == [[62, 38], [0, 0]]
    assert report["pixel_accuracy"] == report["mean_accuracy"] == 0.62
    assert report["per_class_iou"] == {"sky": 0.62, "road": 0.0}
    assert report["per_class_accuracy"] == {"sky": 0.62, "road": None}
    assert report["mean_iou"] == 0.31
    assert report["frequency_weighted_iou"] == 0.62
    assert report["num_classes_scored"] == 2


def test_default_numbers_of_worst_images_overlays_and_images_in_a_batch(tmp_path):
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
    assert [path.name for path in overlays] == [
        f"{index:02}-image {n:02}.png" for index, n in enumerate(numbers, start=1)
    ]
    first = next(dataset.split("val").examples.as_numpy_iterator())
    expected = overlay_with_legend(first["image"], red(first["image"])[0], CLASS_MAP)
    with Image.open(overlays[0]) as file:
        np.testing.assert_array_equal(np.asarray(file), expected)


def test_an_evaluation_replaces_the_previous_one(tmp_path):
    output_dir = tmp_path / "made" / "when missing"
    evaluate(red, with_errors(WRONG), "val", output_dir)
    evaluate(red, with_errors({"one": 3, "two": 5}), "val", output_dir)
    paths = {str(p.relative_to(output_dir)) for p in output_dir.rglob("*.png")}
    assert paths == {
        "confusion_matrix.png",
        "reliability.png",
        "worst/01-two.png",
        "worst/02-one.png",
        "overlays/01-one.png",
        "overlays/02-two.png",
    }


def test_each_image_has_its_own_overlay_also_with_similar_or_long_names(tmp_path):
    long = f"{'é' * 120}/{'b' * 200}"
    evaluate(red, with_errors({"a/b": 3, "a-b": 5, long: 1}), "val", tmp_path)
    for name in ("overlays", "worst"):
        assert len(list((tmp_path / name).iterdir())) == 3
    starts = [path.name[:6] for path in sorted((tmp_path / "overlays").iterdir())]
    assert starts == ["01-a-b", "02-a-b", "03-ééé"]


def test_an_empty_folder_is_accepted_and_a_file_is_refused(tmp_path):
    dataset = with_errors({"one": 3})
    report = evaluate(red, dataset, "val", tmp_path)
    assert report["output_dir"] == str(tmp_path)
    file = tmp_path / "scores.json"
    with pytest.raises(NotADirectoryError, match=f"Received: {file}, a file"):
        evaluate(red, dataset, "val", file)


def test_progress_counts_the_images(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    monkeypatch.setattr("tqdm.std.time", count().__next__)  # a second for each image
    evaluate(red, with_errors(WRONG), "val", tmp_path, batch_size=3)
    assert "Evaluating: 4/6 images" in capsys.readouterr().err


def test_seconds_are_the_time_of_the_predictions(tmp_path, monkeypatch):
    times = iter([100.0, 107.26])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr(evaluate_module, "time", clock)
    report = evaluate(red, with_errors({"one": 3}), "val", tmp_path)
    assert report["seconds"] == 7.3
