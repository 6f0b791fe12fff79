"""The `camvid32` builder: Kaggle's layout, exact colors, void, and the 11 classes."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

import evaluate as evaluate_command
import keras_fcn
import train as train_command
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets import camvid, camvid32
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.runs.folder import RunFolder
from tests.support.data import SHARED_DATA

SIZE = (24, 32)
SAMPLE = SHARED_DATA / "camvid32_sample"
CLASSES = [
    ("Animal", (64, 128, 64)), ("Archway", (192, 0, 128)), ("Bicyclist", (0, 128, 192)),
    ("Bridge", (0, 128, 64)), ("Building", (128, 0, 0)), ("Car", (64, 0, 128)),
    ("CartLuggagePram", (64, 0, 192)), ("Child", (192, 128, 64)),
    ("Column_Pole", (192, 192, 128)), ("Fence", (64, 64, 128)),
    ("LaneMkgsDriv", (128, 0, 192)), ("LaneMkgsNonDriv", (192, 0, 64)),
    ("Misc_Text", (128, 128, 64)), ("MotorcycleScooter", (192, 0, 192)),
    ("OtherMoving", (128, 64, 64)), ("ParkingBlock", (64, 192, 128)),
    ("Pedestrian", (64, 64, 0)), ("Road", (128, 64, 128)),
    ("RoadShoulder", (128, 128, 192)), ("Sidewalk", (0, 0, 192)),
    ("SignSymbol", (192, 128, 128)), ("Sky", (128, 128, 128)),
    ("SUVPickupTruck", (64, 128, 192)), ("TrafficCone", (0, 0, 64)),
    ("TrafficLight", (0, 64, 64)), ("Train", (192, 64, 128)), ("Tree", (128, 128, 0)),
    ("Truck_Bus", (192, 128, 192)), ("Tunnel", (64, 0, 64)),
    ("VegetationMisc", (192, 192, 0)), ("Void", (0, 0, 0)), ("Wall", (64, 192, 0)),
]  # fmt: skip
NAMES = [name for name, _ in CLASSES]


def class_rows_of(seed):
    """Label map of row numbers of class_dict.csv, including Void."""
    return np.random.default_rng(seed).integers(0, 32, SIZE)


@pytest.fixture
def folder(tmp_path):
    """Kaggle's layout with tiny images that contain all 32 classes."""
    folder = tmp_path / "kaggle"
    colors = np.array([color for _, color in CLASSES], "uint8")
    for split, count in (("train", 3), ("val", 2)):
        (folder / split).mkdir(parents=True)
        (folder / f"{split}_labels").mkdir()
        for index in range(count):
            lines = class_rows_of(index)
            image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), "uint8")
            Image.fromarray(image).save(folder / split / f"{split}_{index}.png")
            labels = folder / f"{split}_labels" / f"{split}_{index}_L.png"
            Image.fromarray(colors[lines]).save(labels)
    with (folder / "class_dict.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "r", "g", "b"])
        writer.writerows([name, *color] for name, color in CLASSES)
    return folder


def load(folder, splits=("train", "val"), name="camvid32"):
    return load_dataset(TrainingConfig(dataset=name, data_dir=str(folder)), splits)


def first_label_map(dataset):
    return next(dataset.split("train").examples.as_numpy_iterator())["label_map"]


def test_void_pixels_are_255_and_void_is_no_class(folder):
    dataset = load(folder)
    assert dataset.class_map.num_classes == 31 and dataset.class_map.void_id == 255
    assert "Void" not in dataset.class_map.names
    lines, label_map = class_rows_of(0), first_label_map(dataset)
    assert label_map.dtype == np.uint8 and label_map.shape == SIZE
    np.testing.assert_array_equal(label_map == 255, lines == NAMES.index("Void"))
    for class_id, name in enumerate(dataset.class_map.names):
        np.testing.assert_array_equal(label_map == class_id, lines == NAMES.index(name))


def test_camvid32_with_void_has_void_as_a_class(folder):
    dataset = load(folder, name="camvid32-with-void")
    assert list(dataset.class_map.names) == NAMES
    np.testing.assert_array_equal(first_label_map(dataset), class_rows_of(0))


def test_camvid32_merged_has_the_11_classes_of_camvid(folder):
    dataset = load(folder, name="camvid32-merged")
    assert dataset.class_map.names == camvid.CLASS_MAP.names
    lines, label_map = class_rows_of(0), first_label_map(dataset)
    for name, class_id in (("Wall", 1), ("LaneMkgsDriv", 3), ("Truck_Bus", 8)):
        assert (label_map[lines == NAMES.index(name)] == class_id).all()
    for name in ("Void", "Child", "Archway"):
        assert (label_map[lines == NAMES.index(name)] == 255).all()


def test_each_class_is_merged_into_at_most_one_class():
    merged = [name for names in camvid32.MERGED.values() for name in names]
    assert len(merged) == len(set(merged)) and set(merged) < set(NAMES)
    assert tuple(camvid32.MERGED) == camvid.CLASS_MAP.names


def test_images_equal_the_files_in_alphabetical_order(folder):
    examples = list(load(folder).split("val").examples.as_numpy_iterator())
    assert [example["name"].decode() for example in examples] == ["val_0", "val_1"]
    image = np.asarray(Image.open(folder / "val" / "val_1.png"))
    np.testing.assert_array_equal(examples[1]["image"], image)


def test_changed_label_maps_are_prepared_again(folder):
    before = first_label_map(load(folder, name="camvid32-with-void"))
    path = folder / "train_labels" / "train_0_L.png"
    Image.fromarray(np.zeros((*SIZE, 3), "uint8")).save(path)
    after = first_label_map(load(folder, name="camvid32-with-void"))
    assert (after == NAMES.index("Void")).all() and (before != after).any()


def test_unknown_colors_are_refused_with_file_and_pixel_count(folder):
    path = folder / "train_labels" / "train_1_L.png"
    labels = np.array(Image.open(path))
    labels[0, :5] = (1, 2, 3)
    Image.fromarray(labels).save(path)
    message = r"train_1_L.png has colors of no class: 1,2,3 \(5 pixels\)"
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("mode", ["P", "L"])
def test_label_maps_that_are_not_rgb_images_are_refused(folder, mode):
    path = folder / "train_labels" / "train_1_L.png"
    Image.open(path).convert(mode).save(path)
    with pytest.raises(ValueError, match=r"train_1_L.png is gray or has a palette"):
        load(folder)


def test_an_unused_split_may_be_empty(folder):
    (folder / "test").mkdir()
    assert set(load(folder).splits) == {"train", "val"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "num_classes"),
    [("camvid32", 31), ("camvid32-with-void", 32), ("camvid32-merged", 11)],
)
def test_the_commands_train_and_evaluate_on_it(folder, tmp_path, name, num_classes):
    run, report = tmp_path / "run", tmp_path / "report.json"
    assert not train_command.main(
        ["--dataset", name, "--data-dir", str(folder)]
        + ["--head", "compact", "--head-filters", "8", "--weights", "none"]
        + ["--epochs", "1", "--crop", "32x32", "--run-dir", str(run)]
    )
    evaluate = ["--model", str(run), "--split", "val", "--json", str(report)]
    assert not evaluate_command.main(evaluate)
    assert json.loads(report.read_text())["num_classes"] == num_classes


@pytest.mark.slow
def test_its_recipe_trains_on_the_unmodified_kaggle_layout(folder, tmp_path):
    run = tmp_path / "run"
    recipe = "camvid32-fcn8s"
    assert not train_command.main(
        ["--config", recipe, "--data-dir", str(folder), "--run-dir", str(run)]
        + ["--weights", "none", "--freeze-blocks", "0", "--encoder-rate", "1"]
        + ["--head-filters", "8", "--epochs", "1", "--crop", "32x32"]
    )
    assert len(RunFolder(run).read_class_map().names) == 31


def test_a_label_map_of_another_size_is_refused_by_name(folder):
    path = folder / "val_labels" / "val_0_L.png"
    Image.fromarray(np.zeros((12, 16, 3), "uint8")).save(path)
    with pytest.raises(
        ValueError, match="val_0_L.png is 16x12, but its image is 32x24"
    ):
        load(folder)


def test_images_of_several_sizes_keep_their_sizes(folder):
    for name in ("val/val_1.png", "val_labels/val_1_L.png"):
        image = Image.open(folder / name)
        image.crop((0, 0, 20, 10)).save(folder / name)
    dataset = load(folder)
    assert dataset.split("val").image_sizes == (SIZE, (10, 20))
    shapes = [
        example[key].shape[:2]
        for example in dataset.split("val").examples.as_numpy_iterator()
        for key in ("image", "label_map")
    ]
    assert shapes == [SIZE, SIZE, (10, 20), (10, 20)]


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("class_dict.csv", "needs .*class_dict.csv"),
        ("train_labels/train_2_L.png", "1 of 3 label maps of train .*: train_2_L"),
        ("val/val_0.png", "1 label maps in .* have no image in .*: val_0_L.png"),
    ],
)
def test_missing_files_are_refused_by_name(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        load(folder)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (
            "train/train_0.png",
            "expects PNG images .* others: .*train_0.png is an empty",
        ),
        ("val_labels/val_1_L.png", "val_1_L.png is an empty file. Copy them again, or"),
    ],
)
def test_the_refusal_of_a_damaged_file_says_what_to_do(folder, damaged, message):
    (folder / damaged).write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_a_missing_requested_split_is_refused_by_name(folder):
    with pytest.raises(
        FileNotFoundError, match="no images in .*test: camvid32 needs train/"
    ):
        load(folder, splits=("test",))


def test_a_folder_without_images_is_refused(folder):
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no images in .*train: camvid32 needs"):
        keras_fcn.datasets.load("camvid32", folder)


def test_merging_a_folder_without_a_required_class_is_refused(folder):
    path = folder / "class_dict.csv"
    path.write_text(path.read_text().replace("Sky,", "Heaven,"))
    with pytest.raises(ValueError, match="to merge them into 11. It lacks: Sky"):
        load(folder, name="camvid32-merged")


@pytest.mark.slow
@pytest.mark.skipif(
    not (SAMPLE.is_dir() and (SHARED_DATA / "camvid").is_dir()),
    reason="needs ../shared/data/camvid32_sample and camvid",
)
def test_merged_camvid_frames_equal_the_label_maps_of_segnet():
    """SegNet's label maps contain every second row and column of these."""
    dataset = load(SAMPLE, name="camvid32-merged")
    equal, num_pixels = 0, 0
    for split in ("train", "val"):
        for example in dataset.split(split).examples.as_numpy_iterator():
            name = f"{example['name'].decode()}.png"
            published = next((SHARED_DATA / "camvid").glob(f"*annot/{name}"))
            label_map = np.asarray(Image.open(published)).copy()
            label_map[label_map == 11] = 255
            equal += (example["label_map"][1::2, ::2] == label_map).sum()
            num_pixels += label_map.size
    assert num_pixels == 8 * 360 * 480
    assert equal / num_pixels > 0.998
