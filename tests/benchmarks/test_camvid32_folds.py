import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import camvid32_folds
from keras_fcn.datasets import load
from tests.support.commands import outcome, refusal

NAMES = ["train_0", "train_1", "train_3", "val_1", "test_0", "test_1"]


@pytest.fixture
def labels(tmp_path):
    """Label maps of six frames of `tiny_camvid`, four times as large as the images."""
    folder = tmp_path / "labels32"
    (folder / "labels").mkdir(parents=True)
    (folder / "class_dict.csv").write_text(
        "name,r,g,b\nCar,64,0,128\nSky,128,128,128\nVoid,0,0,0\n"
    )
    for name in NAMES:
        label_map = np.zeros((192, 256, 3), "uint8")
        label_map[:64] = (128, 128, 128)
        label_map[64:128] = (64, 0, 128)
        Image.fromarray(label_map).save(folder / "labels" / f"{name}_L.png")
    return folder


@pytest.fixture
def flags(labels, tiny_camvid, tmp_path):
    folder = tmp_path / "folds"
    return ["--labels", labels, "--data-dir", tiny_camvid, "--output-dir", folder]


def stems(folder):
    return {path.stem for path in folder.glob("*.png")}


def test_each_frame_is_validated_in_one_fold(flags, tmp_path, capsys):
    assert outcome(camvid32_folds, capsys, *flags)[0] == 0
    validated = []
    for fold in range(5):
        folder = tmp_path / "folds" / f"fold{fold}"
        val, train = stems(folder / "val"), stems(folder / "train")
        validated += val
        assert val and val | train == set(NAMES) and not val & train
        data = load("camvid32-with-void", data_dir=folder)
        assert (data.train.num_images, data.val.num_images) == (len(train), len(val))
        _, label_map = next(iter(data.val.batches(1)))
        assert np.unique(label_map[0, :16]).tolist() == [1]
        assert np.unique(label_map[0, 32:]).tolist() == [2]
    assert sorted(validated) == sorted(NAMES)


def test_the_start_has_the_other_frames_with_11_classes(flags, tmp_path, capsys):
    assert outcome(camvid32_folds, capsys, *flags)[0] == 0
    start = tmp_path / "folds" / "start"
    assert stems(start / "train") == stems(start / "trainannot") == {"train_2"}
    assert stems(start / "val") == stems(start / "valannot") == {"val_0"}
    class_map = load("folder", data_dir=start).class_map
    assert (class_map.names[-1], class_map.num_classes) == ("bicyclist", 11)


def test_labels_of_other_frames_are_refused(flags, labels, tmp_path, capsys):
    (labels / "labels/train_0_L.png").rename(labels / "labels/other_L.png")
    line = refusal(camvid32_folds, capsys, *flags)
    assert "labels must have files NAME_L.png of the images" in line
    assert not (tmp_path / "folds").exists()


def test_an_existing_output_folder_is_refused(flags, tmp_path, capsys):
    (tmp_path / "folds").mkdir()
    assert "folds exists already" in refusal(camvid32_folds, capsys, *flags)


def test_one_of_labels_and_runs_is_required(capsys):
    line = refusal(camvid32_folds, capsys)
    assert "Give either --labels or --runs" in line


def test_scores_are_those_of_the_sum_of_the_confusion_matrices(tmp_path, capsys):
    matrices = ([[6, 2, 0], [0, 0, 0], [1, 0, 1]], [[3, 0, 1], [0, 0, 0], [2, 0, 4]])
    runs = [tmp_path / f"run{index}" for index in range(2)]
    for run, matrix, last in zip(runs, matrices, (0.5, 0.25), strict=True):
        (run / "evaluation-val").mkdir(parents=True)
        report = {
            "per_class_iou": {"Car": 0, "Train": None, "Void": 0},
            "confusion_matrix": matrix,
            "num_images": 3,
        }
        (run / "evaluation-val" / "scores.json").write_text(json.dumps(report))
        history = f"epoch,val_pixel_accuracy\n1,0.9\n2,{last}\n"
        (run / "history.csv").write_text(history)
    status, out, _ = outcome(camvid32_folds, capsys, "--runs", *runs)
    assert status == 0
    rows = [line for line in out.splitlines() if "counted |" in line]
    # Car: 9 of 12 + 3 pixels; Void: 5 of 8 + 1. No pixel is labelled Train.
    mean_iou = (9 / 15 + 5 / 9) / 2
    assert rows == [
        f"| counted | {14 / 20:.2%} | {mean_iou:.2%} | 2 |",
        f"| not counted | {9 / 12:.2%} | {9 / 12:.2%} | 1 |",
    ]
    assert out.startswith("Runs: 2, validation images: 6\n")
    assert "accuracy 37.50%" in out
