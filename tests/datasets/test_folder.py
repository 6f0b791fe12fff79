"""`folder`: the user's own images, and what may be wrong with them."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.datasets.folder import load_folder
from keras_fcn.datasets.label_decoder import LabelDecoder
from tests.support.data import write_folder

SPLITS = ("train", "val")


def examples_of(dataset, split="train"):
    return list(dataset.split(split).examples.as_numpy_iterator())


def save_label(folder, label, name="train_0", split="train"):
    label.save(folder / "labels" / split / f"{name}.png")


def test_grey_ids_are_read_as_they_are(tiny_folder):
    dataset = load_folder(tiny_folder, SPLITS)
    stored = np.asarray(Image.open(tiny_folder / "labels/train/train_1.png"))
    example = examples_of(dataset)[1]
    np.testing.assert_array_equal(example["label_map"], stored)
    assert example["name"] == b"train_1"
    assert dataset.class_map.num_classes == 3
    assert dataset.class_map.void_id == 255


def test_palette_indices_are_ids_whatever_their_colours(tiny_folder):
    stored = np.asarray(Image.open(tiny_folder / "labels/train/train_0.png"))
    palette = Image.fromarray(stored)
    palette.putpalette([7, 7, 7] * 256)
    save_label(tiny_folder, palette)
    example = examples_of(load_folder(tiny_folder, SPLITS))[0]
    np.testing.assert_array_equal(example["label_map"], stored)


def test_rgb_labels_are_decoded_by_class_dict(tiny_folder):
    (tiny_folder / "class_dict.csv").write_text(
        "name,r,g,b\nVoid,0,0,0\nroad,128,64,128\nsky,128,128,128\nhouse,128,0,0\n"
    )
    colors = np.array([[128, 64, 128], [128, 128, 128], [128, 0, 0]], "uint8")
    ids = {}
    for split in SPLITS:
        for path in (tiny_folder / "labels" / split).iterdir():
            stored = np.asarray(Image.open(path))
            rgb = np.where((stored == 255)[..., None], 0, colors[stored % 255 % 3])
            Image.fromarray(rgb.astype("uint8")).save(path)
            ids[path.stem] = stored
    dataset = load_folder(tiny_folder, SPLITS)
    assert dataset.class_map.names == ("road", "sky", "house")
    assert dataset.class_map.void_color == (0, 0, 0)
    for example in examples_of(dataset):
        np.testing.assert_array_equal(
            example["label_map"], ids[example["name"].decode()]
        )


def test_unknown_colours_are_named_with_file_and_count(tiny_folder):
    (tiny_folder / "class_dict.csv").write_text("name,r,g,b\na,1,2,3\nb,9,9,9\n")
    rgb = np.full((48, 64, 3), (1, 2, 3), "uint8")
    rgb[0, :5] = (250, 1, 7)
    for split in SPLITS:
        for path in (tiny_folder / "labels" / split).iterdir():
            Image.fromarray(rgb).save(path)
    with pytest.raises(ValueError, match=r"train_0.png has colours .*250,1,7 \(5 pix"):
        load_folder(tiny_folder, SPLITS)


def test_index_labels_beside_a_class_dict_follow_its_order(tiny_folder):
    (tiny_folder / "class_dict.csv").write_text(
        "name,r,g,b\nroad,1,1,2\nvoid,0,0,0\nsky,3,3,4\n"
    )
    # stored ids 0, 1, 2 are road, void and sky; void does not count as a class
    stored = np.asarray(Image.open(tiny_folder / "labels/train/train_0.png"))
    wanted = np.choose(stored % 253, [0, 255, 1])
    wanted[stored == 255] = 255
    example = examples_of(load_folder(tiny_folder, SPLITS))[0]
    np.testing.assert_array_equal(example["label_map"], wanted)


def test_ids_beyond_the_class_dict_are_named(tiny_folder):
    (tiny_folder / "class_dict.csv").write_text("name,r,g,b\nroad,1,1,2\nsky,3,3,4\n")
    with pytest.raises(ValueError, match=r"ids of no class: 2 \(\d+ pixels\)"):
        load_folder(tiny_folder, SPLITS)


def test_a_black_and_white_mask_is_explained(tiny_folder):
    for split in SPLITS:
        for path in (tiny_folder / "labels" / split).iterdir():
            mask = np.asarray(Image.open(path)) > 0
            Image.fromarray(np.where(mask, 255, 0).astype("uint8")).save(path)
    with pytest.raises(ValueError, match="only 0 and 255.*class_dict.csv"):
        load_folder(tiny_folder, SPLITS)


def test_a_black_and_white_mask_is_read_with_grey_colours_in_class_dict(tiny_folder):
    (tiny_folder / "class_dict.csv").write_text(
        "name,r,g,b\nbackground,0,0,0\nobject,255,255,255\n"
    )
    for split in SPLITS:
        for path in (tiny_folder / "labels" / split).iterdir():
            mask = np.asarray(Image.open(path)) > 0
            Image.fromarray(np.where(mask, 255, 0).astype("uint8")).save(path)
    dataset = load_folder(tiny_folder, SPLITS)
    assert set(np.unique(examples_of(dataset)[0]["label_map"])) == {0, 1}


def test_ids_beside_a_class_dict_of_grey_colours_stay_ids(tiny_folder):
    decoder = LabelDecoder([("background", (0, 0, 0)), ("object", (255, 255, 255))])
    ids = np.array([[0, 1, 1]], "uint8")
    np.testing.assert_array_equal(decoder.decode(ids), ids)


def test_colours_without_class_dict_are_refused(tiny_folder):
    save_label(tiny_folder, Image.new("RGB", (64, 48), (1, 2, 3)))
    with pytest.raises(ValueError, match="train_0.png has colours, but there is no"):
        load_folder(tiny_folder, SPLITS)


def test_an_image_without_label_map_is_named(tiny_folder):
    (tiny_folder / "labels/train/train_2.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 4 label maps .* train_2"):
        load_folder(tiny_folder, SPLITS)


def test_images_and_no_labels_folder_is_an_error(tiny_folder):
    for path in (tiny_folder / "labels/train").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no label maps in"):
        load_folder(tiny_folder, SPLITS)


def test_a_label_of_another_size_is_named(tiny_folder):
    save_label(tiny_folder, Image.new("L", (60, 48)))
    with pytest.raises(ValueError, match="train_0.png is 60x48, its image 64x48"):
        load_folder(tiny_folder, SPLITS)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n cut"])
def test_an_unreadable_image_is_found_before_training(tiny_folder, content):
    (tiny_folder / "images/train/train_3.png").write_bytes(content)
    with pytest.raises(ValueError, match="1 of 4 .*train_3.png"):
        load_folder(tiny_folder, SPLITS)


def test_a_truncated_image_is_found_before_training(tiny_folder):
    path = tiny_folder / "images/train/train_3.png"
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(ValueError, match="train_3.png can't be decoded"):
        load_folder(tiny_folder, SPLITS)


def test_all_wrong_files_are_counted(tiny_folder):
    for index in range(4):
        (tiny_folder / f"images/train/train_{index}.png").write_bytes(b"")
    with pytest.raises(ValueError, match="4 of 4 .*and 1 more"):
        load_folder(tiny_folder, SPLITS)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no data folder"):
        load_folder(tmp_path / "nothing", SPLITS)


def test_a_folder_without_splits_says_how_to_make_them(tiny_folder):
    (tiny_folder / "images/val").rename(tiny_folder / "images/other")
    with pytest.raises(FileNotFoundError, match="no val images: needed .*val.txt"):
        load_folder(tiny_folder, SPLITS)


def test_list_files_make_the_splits(tmp_path):
    folder = tmp_path / "listed"
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for index in range(4):
        Image.new("RGB", (8, 8)).save(folder / f"images/{index}.jpg")
        Image.new("L", (8, 8), index % 2).save(folder / f"labels/{index}.png")
    (folder / "train.txt").write_text("2\n0.jpg\n\n1\n")
    (folder / "val.txt").write_text("3\n")
    dataset = load_folder(folder, SPLITS)
    names = [example["name"].decode() for example in examples_of(dataset)]
    assert names == ["0", "1", "2"]
    assert dataset.split("val").num_images == 1


def test_a_listed_image_that_is_missing_is_named(tmp_path):
    folder = write_folder(tmp_path / "flat")
    for split in SPLITS:
        for kind in ("images", "labels"):
            for path in (folder / kind / split).iterdir():
                path.rename(folder / kind / path.name)
            (folder / kind / split).rmdir()
    (folder / "train.txt").write_text("train_0\ntrain_9\n")
    (folder / "val.txt").write_text("val_0\n")
    with pytest.raises(FileNotFoundError, match="1 of 2 images of train .* train_9"):
        load_folder(folder, SPLITS)


def test_two_images_of_one_stem_are_refused(tiny_folder):
    Image.new("RGB", (64, 48)).save(tiny_folder / "images/train/train_0.jpg")
    with pytest.raises(ValueError, match="have one stem"):
        load_folder(tiny_folder, SPLITS)


def test_different_image_sizes_are_known(tmp_path):
    folder = write_folder(tmp_path / "mixed", {"train": 2, "val": 1})
    Image.new("RGB", (70, 50)).save(folder / "images/train/big.png")
    Image.new("L", (70, 50), 2).save(folder / "labels/train/big.png")
    split = load_folder(folder, SPLITS).split("train")
    assert set(split.image_sizes) == {(48, 64), (50, 70)}
    assert not split.has_one_size


def test_exif_orientation_turns_the_image_to_its_label(tiny_folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.new("RGB", (48, 64), (9, 9, 9))
    (tiny_folder / "images/train/train_0.png").unlink()
    lying.save(tiny_folder / "images/train/train_0.jpg", exif=exif)
    dataset = load_folder(tiny_folder, SPLITS)
    assert examples_of(dataset)[0]["image"].shape == (48, 64, 3)


def test_16_bit_ids_above_255_are_refused():
    with pytest.raises(ValueError, match=r"ids above 255: 300 \(2 pixels\)"):
        LabelDecoder().decode(np.array([[300, 300, 1]], "int32"))


def test_a_split_without_some_classes_keeps_those_of_the_run(tiny_folder):
    class_map = load_folder(tiny_folder, ("train",)).class_map
    for path in (tiny_folder / "labels/test").iterdir():
        Image.new("L", (64, 48), 0).save(path)
    dataset = load_folder(tiny_folder, ("test",), class_map)
    assert dataset.class_map == class_map


def test_ids_that_the_run_does_not_know_are_named(tiny_folder):
    class_map = load_folder(tiny_folder, ("train",)).class_map
    save_label(tiny_folder, Image.new("L", (64, 48), 7), "test_1", "test")
    with pytest.raises(ValueError, match="0 to 2, .*test_1.png: 7"):
        load_folder(tiny_folder, ("test",), class_map)
