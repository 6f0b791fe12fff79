"""Mixing a second data set into each step: its syntax, loading and errors."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.loading import load_dataset, load_mix
from keras_fcn.datasets.mix import Mix, absolute_mix, parse_mix
from street_rendering import render_street
from street_rendering.parallel import render_pngs
from tests.support.data import draw_blocks, write_folder


def loaded(dataset, data_dir, mix, **changes):
    """The first data set, and the images that `mix` adds to it."""
    config = TrainingConfig(dataset=dataset, data_dir=data_dir, mix=mix, **changes)
    first = load_dataset(config, ("train", "val"))
    return first, load_mix(config, first)


def add_classes(folder, *names):
    lines = [f"{name},{10 * n},0,0" for n, name in enumerate(names)]
    (folder / "class_dict.csv").write_text("\n".join(["name,r,g,b", *lines]))
    return folder


def test_names_folders_and_counts_are_parsed(tmp_path):
    (tmp_path / "a:7").mkdir()
    assert parse_mix("streets:12000") == Mix("streets", None, 12000)
    assert parse_mix("camvid") == Mix("camvid", None, None)
    assert parse_mix(f"camvid={tmp_path}:9") == Mix("camvid", str(tmp_path), 9)
    assert parse_mix(str(tmp_path)) == Mix("folder", str(tmp_path), None)
    assert parse_mix(f"{tmp_path}:12") == Mix("folder", str(tmp_path), 12)
    assert parse_mix(f"{tmp_path}/a:7") == Mix("folder", f"{tmp_path}/a:7", None)


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert absolute_mix("mine:3") == f"{tmp_path}/mine:3"
    assert absolute_mix("camvid=mine") == f"camvid={tmp_path}/mine"
    assert absolute_mix("streets:3") == "streets:3"
    assert absolute_mix(None) is None
    assert absolute_mix("none") is None  # disables the `mix` of a recipe


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("street:5", r"path of a folder, got street \(did you mean streets\?\)$"),
        ("qqqqq", "`mix` expects one of camvid, .*, or the path of a folder, got qqq"),
        ("folder", "got folder"),
        ("", "got nothing$"),
        ("nothing/there", "There is no folder nothing/there: `mix` takes camvid, "),
        ("camvid=nothing", "There is no folder nothing for `mix` camvid"),
        ("streets:0", "`mix` expects a positive integer after streets:, got 0$"),
        ("streets:-3", "a positive integer after streets:, got -3"),
        ("streets:1.5", "a positive integer after streets:, got 1.5"),
        ("streets:99999999999", "got 99999999999, which is too large$"),
        ("streets:many", "a positive integer after streets:, got many"),
        ("streets:", "a positive integer after streets:, got nothing"),
        ("streets=x", "streets is rendered and takes no folder, got x"),
        ("camvid32:5", "`mix` camvid32 expects the folder of its images, .*Kaggle"),
    ],
)
def test_an_invalid_mix_is_refused(mix, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        parse_mix(mix)
    assert "\n" not in str(caught.value)


def test_streets_are_rendered_at_the_size_of_the_first_data_set(tiny_camvid):
    first, mixed = loaded("camvid", str(tiny_camvid), "streets:3")
    assert first.split("train").num_images == 4
    assert mixed.image_sizes == ((48, 64),) * 3
    for number, example in enumerate(mixed.examples.as_numpy_iterator()):
        image, label_map = render_street(0, number, 48, 64)
        np.testing.assert_array_equal(example["image"], image)
        np.testing.assert_array_equal(example["label_map"], label_map)


@pytest.mark.parametrize(("size", "rendered"), [(96, (48, 64)), (24, (24, 32))])
def test_the_second_data_set_is_resized_to_the_training_size(
    tiny_camvid, size, rendered, monkeypatch
):
    sizes = []

    def render(seed, numbers, height, width):
        sizes.append((height, width))
        return render_pngs(seed, numbers, height, width)

    monkeypatch.setattr("keras_fcn.datasets.streets.render_pngs", render)
    # A number of images that no other test prepares.
    count = 4 + size // 24
    _, mixed = loaded("camvid", str(tiny_camvid), f"streets:{count}", size=size)
    assert set(sizes) == {rendered}
    assert set(mixed.image_sizes) == {(size, size * 64 // 48)}
    for example in mixed.examples.as_numpy_iterator():
        assert example["image"].shape == (*mixed.image_sizes[0], 3)
        assert example["label_map"].shape == mixed.image_sizes[0]


def test_mixed_images_are_evenly_spaced_and_have_the_void_id_of_the_first(
    tiny_camvid, tmp_path
):
    classes = load_dataset(
        TrainingConfig(dataset="camvid", data_dir=str(tiny_camvid)), ("train",)
    ).class_map.names
    folder = write_folder(tmp_path / "mine", {"train": 7, "val": 1}, size=(20, 30))
    add_classes(folder, *classes)
    _, mixed = loaded("camvid", str(tiny_camvid), f"{folder}:3")
    examples = list(mixed.examples.as_numpy_iterator())
    assert [e["name"] for e in examples] == [b"train_0", b"train_2", b"train_4"]
    for example in examples:
        stored = np.asarray(
            Image.open(folder / f"labels/train/{example['name'].decode()}.png")
        )
        expected = np.where(stored == 255, 11, stored)
        np.testing.assert_array_equal(example["label_map"], expected)
        assert (expected == 11).any()


def test_camvid_is_mixed_into_a_folder_without_its_validation_images(
    tiny_camvid, tmp_path
):
    names = loaded("camvid", str(tiny_camvid), None)[0].class_map.names
    folder = add_classes(write_folder(tmp_path / "mine"), *names)
    first, mixed = loaded(
        "folder", str(folder), f"camvid={tiny_camvid}", val_pattern="val_1"
    )
    assert first.class_map.void_id == 255
    names = [e["name"].decode() for e in mixed.examples.as_numpy_iterator()]
    assert names == [f"train_{n}" for n in range(4)]
    ids = [set(np.unique(e["label_map"])) for e in mixed.examples.as_numpy_iterator()]
    assert all(255 in found and 11 not in found for found in ids)


def test_a_folder_without_the_kaggle_layout_is_refused(tiny_camvid, tmp_path):
    with pytest.raises(FileNotFoundError, match="camvid32 needs .*class_dict.csv"):
        loaded("camvid", str(tiny_camvid), f"camvid32-merged={tmp_path}")


def test_a_folder_of_numbered_classes_gets_the_classes_of_the_first(tmp_path):
    first = add_classes(write_folder(tmp_path / "first"), "road", "sky", "tree")
    second = write_folder(tmp_path / "second", {"train": 2, "val": 1})
    assert loaded("folder", str(first), str(second))[1].num_images == 2


def test_different_classes_are_refused_with_both_lists(tmp_path):
    first = add_classes(write_folder(tmp_path / "first"), "road", "sky", "tree")
    other = add_classes(write_folder(tmp_path / "other"), "road", "tree", "sky")
    with pytest.raises(
        ValueError, match=r"\(road, sky, tree\), got \S*other with road, tree, sky$"
    ):
        loaded("folder", str(first), str(other))


@pytest.mark.parametrize("mix", ["streets", "camvid"])
def test_other_classes_are_refused_before_rendering_and_download(
    tmp_path, monkeypatch, mix
):
    folder = add_classes(write_folder(tmp_path / "mine"), "road", "sky", "tree")
    monkeypatch.setattr("keras_fcn.datasets.loading.prepared_dataset", pytest.fail)
    with pytest.raises(ValueError, match=rf"\(road, sky, tree\), got {mix} with sky, "):
        loaded("folder", str(folder), mix)


def test_a_count_above_the_number_of_images_is_refused(tmp_path):
    folder = write_folder(tmp_path / "mine")
    assert loaded("folder", str(folder), f"{folder}:4")[1].num_images == 4
    with pytest.raises(ValueError, match=r"at most 4 images, .*/mine, got 5$"):
        loaded("folder", str(folder), f"{folder}:5")


def test_options_of_the_first_folder_do_not_apply_to_the_second(tmp_path):
    colors = np.array([(10, 0, 0), (0, 20, 0), (0, 0, 30)], "uint8")
    first, second = tmp_path / "first", tmp_path / "second"
    for number in range(3):
        image, label_map = draw_blocks(48, 64, 3, seed=number)
        for folder, suffix, labels in (
            (first, "_mask", label_map),
            (second, "_gt", colors[label_map]),
        ):
            folder.mkdir(exist_ok=True)
            name = f"{folder.name}_{number}"
            Image.fromarray(image).save(folder / f"{name}.png")
            Image.fromarray(labels).save(folder / f"{name}{suffix}.png")
    rows = [f"class_{n},{r},{g},{b}" for n, (r, g, b) in enumerate(colors)]
    (second / "class_dict.csv").write_text("\n".join(["name,r,g,b", *rows]))
    options = {"label_suffix": "_mask", "label_values": "ids", "group_by": "^first_."}
    _, mixed = loaded("folder", str(first), str(second), **options)
    assert mixed.num_images == 2  # one of three is for validation
    for example in mixed.examples.as_numpy_iterator():
        seed = int(example["name"][-1:])
        expected = draw_blocks(48, 64, 3, seed=seed)[1]
        np.testing.assert_array_equal(example["label_map"], expected)


def test_a_failed_download_of_camvid_suggests_a_local_folder(
    tmp_path, monkeypatch, tiny_camvid
):
    import tensorflow_datasets as tfds

    from keras_fcn.datasets import camvid

    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "empty"))
    names = camvid.CLASS_MAP.names
    folder = add_classes(write_folder(tmp_path / "mine"), *names)
    monkeypatch.setattr(camvid, "URL", "http://127.0.0.1:9/none.zip")
    with pytest.raises(OSError, match="for `mix`: camvid=DIR"):
        loaded("folder", str(folder), "camvid")
