"""`folder`: the user's own images as tf.data."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands.command_line import Command
from keras_fcn.datasets.dataset import label_statistics
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.datasets.lanes import cached_lanes, training_batches
from keras_fcn.images.opening import FORMATS
from tests.support.commands import refusal
from tests.support.data import write_folder
from tests.support.folders import write_image, write_labels

SPLITS = ("train", "val")


def examples_of(dataset, split="train"):
    return list(dataset.split(split).examples.as_numpy_iterator())


def save_label(folder, label, name="train_0", split="train"):
    label.save(folder / "labels" / split / f"{name}.png")


def test_images_come_with_their_labels_and_names(tiny_folder):
    dataset = load_folder(tiny_folder, SPLITS)
    example = examples_of(dataset)[1]
    stored = np.asarray(Image.open(tiny_folder / "labels/train/train_1.png"))
    image = np.asarray(Image.open(tiny_folder / "images/train/train_1.png"))
    np.testing.assert_array_equal(example["label_map"], stored)
    np.testing.assert_array_equal(example["image"], image)
    assert example["name"] == b"train_1"
    assert dataset.class_map.num_classes == 3
    assert dataset.class_map.void_id == 255
    assert dataset.label_values == "ids"


def test_layout_sizes_and_encoding_are_logged(tiny_folder, caplog):
    with caplog.at_level(logging.INFO, "keras_fcn"):
        load_folder(tiny_folder, SPLITS)
    assert caplog.messages[0] == f"Reading {tiny_folder}"
    assert "images/ with labels/ with folders train, val, test" in caplog.messages[1]
    assert caplog.messages[2] == "train 4, val 2, test 2 images (64x48)"
    assert caplog.messages[3] == "labels are read as ids, 255 is void"


@pytest.mark.parametrize(
    ("path", "change", "reason"),
    [
        ("images", Path.unlink, "There is no file '{}'"),
        (
            "images",
            lambda p: p.write_bytes(b"x"),
            f"{{}} is not an image in a supported format ({', '.join(FORMATS)})",
        ),
        ("images", lambda p: Image.new("RGB", (9, 9)).save(p), "{} or its label map"),
        ("labels", lambda p: Image.new("L", (64, 48), 7).save(p), "{} has ids of no"),
    ],
)
def test_a_file_that_changes_during_a_training_is_named(
    tmp_path, capsys, path, change, reason
):
    folder = write_folder(tmp_path / "data")

    def work(*_):
        dataset = load_folder(folder, SPLITS)
        file = folder / path / "train/train_2.png"
        change(file)
        examples_of(dataset)

    line = refusal(Command("Work.", lambda _: None, work), capsys)
    assert reason.format(folder / path / "train/train_2.png") in line


def test_classes_are_counted_as_label_statistics_counts_them(tmp_path):
    folder = write_folder(tmp_path / "mixed", {"train": 3, "val": 1})
    Image.new("RGB", (70, 50)).save(folder / "images/train/big.png")
    Image.new("L", (70, 50), 2).save(folder / "labels/train/big.png")
    dataset = load_folder(folder, SPLITS)
    split = dataset.split("train")
    assert set(split.image_sizes) == {(48, 64), (50, 70)}
    counted = label_statistics(split.examples, dataset.class_map)
    np.testing.assert_array_equal(split.statistics.pixels, counted.pixels)
    np.testing.assert_array_equal(
        split.statistics.pixels_of_images_with_class,
        counted.pixels_of_images_with_class,
    )


def test_palette_indices_of_one_color_are_counted_together(tmp_path):
    for split, name in (("train", "a"), ("val", "b")):
        write_image(tmp_path / split / "images" / f"{name}.png")
        path = tmp_path / split / "masks" / f"{name}.png"
        write_labels(path, palette=((255, 0, 0), (0, 255, 0), (255, 0, 0)))
    (tmp_path / "class_dict.csv").write_text("name,r,g,b\nx,255,0,0\ny,0,255,0\n")
    pixels, _ = read_folder(tmp_path).count_classes("train")
    assert pixels.tolist() == [32 * 27, 32 * 13]


def test_images_beyond_the_memory_are_read_in_a_new_order_each_epoch(tmp_path):
    split = load_folder(write_folder(tmp_path, {"train": 9, "val": 1}), SPLITS).split(
        "train"
    )
    lanes = cached_lanes(split, range(2), batch_size=2, budget=1000)
    assert not any(lane.is_cached for lane in lanes)

    def order(seed):
        batches = training_batches(
            lanes, split, batch_size=2, void_id=255, order_seed=seed
        )
        images = [image for batch in batches for image in batch["image"].numpy()]
        return [int(image.astype("int64").sum()) for image in images]

    assert order(1) == order(1) != order(2)
    assert sorted(order(1)) == sorted(order(2))
    assert len(set(order(1))) == 9


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n cut"])
def test_an_unreadable_image_is_found_before_training(tiny_folder, content):
    (tiny_folder / "images/train/train_3.png").write_bytes(content)
    with pytest.raises(ValueError, match="1 of 8 .*train_3.png"):
        load_folder(tiny_folder, SPLITS)


def test_a_truncated_image_is_found_before_training(tiny_folder):
    path = tiny_folder / "images/train/train_3.png"
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(ValueError, match="1 of 8 .*train_3.png"):
        load_folder(tiny_folder, SPLITS)


def test_all_problems_are_in_one_message(tiny_folder):
    for index in range(4):
        (tiny_folder / f"images/train/train_{index}.png").write_bytes(b"")
    save_label(tiny_folder, Image.new("L", (60, 48)), "val_0", "val")
    with pytest.raises(ValueError) as caught:
        load_folder(tiny_folder, SPLITS)
    message = str(caught.value)
    assert "4 of 8 images or their labels can't be read" in message
    assert "and 1 more" in message
    assert "labels/val/val_0.png is 60x48, its image 64x48" in message
    assert message.endswith("(2 problems)")


def test_a_missing_split_is_refused_with_the_splits_of_the_folder(tiny_folder):
    for kind in ("images", "labels"):
        (tiny_folder / kind / "test").rename(tiny_folder / f"{kind}_put_away")
    with pytest.raises(FileNotFoundError, match="no test images. It has: train 4, val"):
        load_folder(tiny_folder, ("test",))
    for kind in ("images", "labels"):
        for path in (tiny_folder / kind / "val").iterdir():
            path.rename(tiny_folder / kind / "train" / path.name)
        (tiny_folder / kind / "val").rmdir()
    with pytest.raises(FileNotFoundError, match="It has: train 5, val 1$"):
        load_folder(tiny_folder, ("test",))


def test_a_split_with_void_pixels_only_can_not_be_evaluated(tiny_folder):
    for path in (tiny_folder / "labels/test").iterdir():
        Image.new("L", (64, 48), 255).save(path)
    assert load_folder(tiny_folder, SPLITS).split("val").num_images == 2
    with pytest.raises(FileNotFoundError, match="no labels of test images: all pixels"):
        load_folder(tiny_folder, ("test",))


def test_exif_orientation_turns_the_image_to_its_label(tiny_folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (48, 64), (9, 9, 9))
    (tiny_folder / "images/train/train_0.png").unlink()
    lying.save(tiny_folder / "images/train/train_0.jpg", exif=exif)
    dataset = load_folder(tiny_folder, SPLITS)
    assert examples_of(dataset)[0]["image"].shape == (48, 64, 3)


def test_a_split_without_some_classes_keeps_those_of_the_run(tiny_folder):
    class_map = load_folder(tiny_folder, ("train",)).class_map
    for path in (tiny_folder / "labels/test").iterdir():
        Image.new("L", (64, 48), 0).save(path)
    dataset = load_folder(tiny_folder, ("test",), class_map)
    assert dataset.class_map == class_map


def test_ids_that_the_run_lacks_are_named(tiny_folder):
    class_map = load_folder(tiny_folder, ("train",)).class_map
    save_label(tiny_folder, Image.new("L", (64, 48), 7), "test_1", "test")
    with pytest.raises(ValueError, match=r"1 are not in the run: 7 .*test_1.png \(7"):
        load_folder(tiny_folder, ("test",), class_map)
