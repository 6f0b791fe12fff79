"""Predicting the user's own images."""

import logging

import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.files import describe_classes, find_jobs, predict_images
from keras_fcn.prediction.segmenter import Segmenter

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)


def save_image(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    Image.fromarray(pixels.astype("uint8")).convert(mode).save(path)
    return path


def predict(model, *inputs, output_dir):
    jobs = find_jobs([str(path) for path in inputs], output_dir)
    return list(predict_images(Segmenter(model, CLASS_MAP), jobs))


def test_labels_are_a_palette_png_of_ids_in_the_images_size(model, tmp_path):
    image = save_image(tmp_path / "street.jpg", (41, 33))
    ((job, found),) = predict(model, image, output_dir=tmp_path / "out")
    assert job.labels_path == tmp_path / "out" / "street_labels.png"
    with Image.open(job.labels_path) as labels:
        assert labels.mode == "P" and labels.size == (41, 33)
        assert labels.getpalette()[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]
        ids = np.asarray(labels)
    pixels = np.asarray(Image.open(image))
    wanted = np.argmax(model(pixels[None])[0], axis=-1)
    assert np.mean(ids == wanted) > 0.999
    assert "%" in found


def test_the_overlay_has_a_legend_below_the_image(model, tmp_path):
    image = save_image(tmp_path / "street.png", (200, 100))
    ((job, _),) = predict(model, image, output_dir=tmp_path / "out")
    with Image.open(job.overlay_path) as picture:
        assert picture.size[0] == 200 and picture.size[1] > 100


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_other_kinds_of_images_work(model, tmp_path, mode):
    image = save_image(tmp_path / "image.png", mode=mode)
    ((_, found),) = predict(model, image, output_dir=tmp_path / "out")
    assert found is not None


def test_16_bit_images_work(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40)).astype("uint16")
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    ((_, found),) = predict(model, tmp_path / "deep.png", output_dir=tmp_path / "out")
    assert found is not None


def test_exif_orientation_is_honoured(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    ((job, _),) = predict(model, tmp_path / "turned.jpg", output_dir=tmp_path / "out")
    with Image.open(job.labels_path) as labels:
        assert labels.size == (30, 40)


def test_unreadable_files_are_told_and_left_out(model, tmp_path, caplog):
    good = save_image(tmp_path / "good.png")
    for name, content in (("empty.png", b""), ("text.png", b"words")):
        (tmp_path / name).write_bytes(content)
    with caplog.at_level(logging.ERROR):
        results = predict(
            model, tmp_path / "empty.png", tmp_path / "text.png", good,
            output_dir=tmp_path / "out",
        )  # fmt: skip
    assert [found is None for _, found in results] == [True, True, False]
    assert "empty.png is an empty file" in caplog.text
    assert "text.png is not an image" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "good_labels.png",
        "good_overlay.png",
    }


def test_a_folder_keeps_its_tree(model, tmp_path):
    save_image(tmp_path / "in/a/x.png")
    save_image(tmp_path / "in/b/x.png")
    (tmp_path / "in/notes.txt").write_text("not an image")
    predict(model, tmp_path / "in", output_dir=tmp_path / "out")
    assert (tmp_path / "out/a/x_labels.png").exists()
    assert (tmp_path / "out/b/x_overlay.png").exists()


def test_an_output_folder_inside_the_input_is_not_predicted_again(tmp_path):
    save_image(tmp_path / "in/x.png")
    save_image(tmp_path / "in/out/x_overlay.png")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "in/out")
    assert [job.image_path.name for job in jobs] == ["x.png"]


@pytest.mark.parametrize("output", ["in", "."])
def test_the_output_may_be_the_searched_folder_or_above_it(tmp_path, output):
    save_image(tmp_path / "in/x.png")
    save_image(tmp_path / "in/sub/y.png")
    if output == "in":
        save_image(tmp_path / "in/x_overlay.png")  # of an earlier prediction
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / output)
    assert sorted(job.image_path.name for job in jobs) == ["x.png", "y.png"]


def test_globs_are_expanded(tmp_path):
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "b.png")
    jobs = find_jobs([str(tmp_path / "*.png"), str(tmp_path / "a.png")], tmp_path / "o")
    assert [job.image_path.name for job in jobs] == ["a.png", "b.png"]


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path):
    save_image(tmp_path / "a[1].png")
    jobs = find_jobs([str(tmp_path / "a[1].png")], tmp_path / "out")
    assert len(jobs) == 1


@pytest.mark.parametrize("name", ["no.png", "no/*.png"])
def test_what_does_not_exist_is_refused_before_any_prediction(tmp_path, name):
    save_image(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match="There is no image, folder or match"):
        find_jobs([str(tmp_path / "a.png"), str(tmp_path / name)], tmp_path / "out")


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no images in the folder"):
        find_jobs([str(tmp_path)], tmp_path / "out")


def test_two_images_for_one_output_are_refused(tmp_path):
    save_image(tmp_path / "a/x.png")
    save_image(tmp_path / "b/x.jpg")
    with pytest.raises(ValueError, match="would both be written to"):
        find_jobs(
            [str(tmp_path / "a/x.png"), str(tmp_path / "b/x.jpg")], tmp_path / "o"
        )


def test_an_input_is_not_replaced(tmp_path):
    save_image(tmp_path / "x.png")
    save_image(tmp_path / "x_labels.png")
    with pytest.raises(ValueError, match="would replace the input"):
        find_jobs([str(tmp_path / "x.png"), str(tmp_path / "x_labels.png")], tmp_path)


def test_classes_are_described_largest_first():
    label_map = np.array([[1, 1, 1, 0]], "uint8")
    assert describe_classes(label_map, CLASS_MAP) == "b 75.0%, a 25.0%"
