"""Label files: every form is read unchanged, or refused by its values."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_fcn.datasets.folder.labels.files import MaskSet, read_labels, read_stored
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.images.reading import UnreadableImage
from tests.support.folders import blocks, write_image, write_labels


@pytest.mark.parametrize(
    ("dtype", "values", "wrong"),
    [
        ("int32", (0, -5), "negative values: -5"),
        ("int32", (0, -300), "negative values: -300"),
        ("int16", (0, -1), "negative values: -1"),
        ("int8", (0, -1, 3), "negative values: -1"),
        ("float32", (0, 1.5), "values that are not integers: 1.5"),
        ("float32", (0, float("nan")), "values that are not integers: nan"),
        ("int32", (0, 70000), "values above 65535: 70000"),
    ],
)
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_values_that_are_not_ids_are_refused(tmp_path, dtype, values, wrong, suffix):
    path = tmp_path / f"label{suffix}"
    array = np.ascontiguousarray(blocks(np.array(values, dtype)))
    if suffix == ".npy":
        np.save(path, array)
    elif dtype == "int8":  # Pillow writes none: a file of bytes, marked as signed
        image = Image.fromarray(array.view("uint8"))
        image.save(path, tiffinfo={339: 2})
    elif dtype == "int16":
        pytest.skip("Pillow writes no TIFF of signed 16 bits")
    else:
        Image.fromarray(array).save(path)
    with pytest.raises(ValueError, match=wrong):
        read_labels(path)


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("uint8", "a.png"),
        ("uint16", "a.png"),
        ("uint8", "a.npy"),
        ("int64", "a.npy"),
        ("float32", "a.npy"),
        ("int32", "a.tif"),
    ],
)
def test_ids_are_read_unchanged(tmp_path, dtype, name):
    path = write_labels(tmp_path / name, (0, 3, 200), dtype=dtype)
    stored = read_labels(path)
    np.testing.assert_array_equal(stored.values, blocks(np.array((0, 3, 200))))
    assert stored.palette is None


def test_one_bit_gives_0_and_1(tmp_path):
    Image.fromarray(np.array([[0, 255]], "uint8")).convert("1").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").values, [[0, 1]])


def test_gray_with_alpha_gives_its_gray(tmp_path):
    Image.fromarray(np.array([[[3, 255], [7, 0]]], "uint8")).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").values, [[3, 7]])


def test_a_palette_gives_indices_and_colors(tmp_path):
    palette = np.arange(768, dtype="uint16").reshape(256, 3) % 251
    stored = read_labels(write_labels(tmp_path / "a.png", (0, 5, 9), palette=palette))
    np.testing.assert_array_equal(stored.values, blocks(np.array((0, 5, 9))))
    np.testing.assert_array_equal(stored.palette[5], palette[5])


def test_an_array_may_have_an_axis_of_one_and_a_boolean_type(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[[True], [False]]]))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.npy").values, [[1, 0]])


@pytest.mark.parametrize(
    "array", [np.zeros((4, 5, 7)), np.zeros(4), np.zeros((4, 5), complex)]
)
def test_arrays_of_other_shapes_and_types_are_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    message = "must be an array .height, width. of integers"
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "a.npy")


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UnreadableImage, match="can't be read as an array"):
        read_labels(tmp_path / "a.npy")


def smoothed(values, path, how):
    image = Image.new("L", (160, 128), values[0])
    draw = ImageDraw.Draw(image)
    for number, value in enumerate(values[1:]):
        draw.ellipse((10 + 60 * number, 10, 90 + 60 * number, 120), fill=value)
    if how == "resized":
        image = image.resize((40, 32), Image.Resampling.BILINEAR)
    else:
        image = image.resize((40, 32), Image.Resampling.NEAREST)
    image.save(path)


@pytest.mark.parametrize("table", [None, "name,r,g,b\na,0,0,0\nb,255,255,255\n"])
@pytest.mark.parametrize(("how", "suffix"), [("resized", ".png"), ("jpeg", ".jpg")])
@pytest.mark.parametrize("values", [(0, 255), (0, 90, 255)])
def test_smoothed_labels_are_refused_with_the_cause(
    tmp_path, table, how, suffix, values
):
    for name in "abc":
        write_image(tmp_path / f"images/{name}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        smoothed(values, tmp_path / f"labels/{name}{suffix}", how)
    if table is not None:
        (tmp_path / "class_dict.csv").write_text(table)
    with pytest.raises(ValueError, match="JPEG") as caught:
        read_folder(tmp_path).refuse_problems()
    assert f"labels/a{suffix}" in str(caught.value)
    assert "PNG" in str(caught.value)


def test_random_ids_are_not_smoothed_ones(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abcd":
        write_image(tmp_path / f"images/{name}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        noise = rng.integers(0, 20, (32, 40), "uint8")
        Image.fromarray(noise).save(tmp_path / f"labels/{name}.png")
    read_folder(tmp_path).refuse_problems()


def test_masks_of_one_image_are_joined(tmp_path):
    first = write_labels(tmp_path / "a.png", (0, 1, 0))
    second = write_labels(tmp_path / "b.png", (0, 1, 1))
    paths, values = (str(first), str(second)), {"_background_": 7, "x": 3, "y": 2}
    stored = read_stored(MaskSet(paths, ("x", "y")), values, 10_000)
    np.testing.assert_array_equal(stored.values, blocks(np.array((7, 2, 2))))
    first = write_labels(tmp_path / "a.png", (0, 5, 4))
    second = write_labels(tmp_path / "b.png", (0, 2, 6))
    stored = read_stored(MaskSet(paths), {}, 10_000)
    np.testing.assert_array_equal(stored.values, blocks(np.array((0, 5, 6))))
