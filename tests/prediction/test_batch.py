"""Prediction of image files."""

import logging
import threading

import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.prediction.batch import predict_images
from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.prediction.segmenter import Segmenter
from keras_fcn.runs.exported import ExportedModel
from keras_fcn.runs.runtimes import Runtime

CLASS_MAP = ClassMap(("a", "b", "c"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)


def save_image(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    Image.fromarray(pixels.astype("uint8")).convert(mode).save(path)
    return path


def predict(model, *inputs, output_dir, **options):
    jobs = find_jobs([str(path) for path in inputs], output_dir)
    return list(predict_images(Segmenter(model, CLASS_MAP), jobs, **options))


def test_label_maps_are_palette_pngs_of_ids_in_the_images_size(model, tmp_path):
    image = save_image(tmp_path / "street.jpg", (41, 33))
    (result,) = predict(model, image, output_dir=tmp_path / "out")
    with Image.open(tmp_path / "out/street_labels.png") as labels:
        assert labels.mode == "P" and labels.size == (41, 33)
        assert labels.getpalette()[:9] == [255, 0, 0, 0, 255, 0, 0, 0, 255]
        ids = np.asarray(labels)
    pixels = np.asarray(Image.open(image))
    wanted = np.argmax(model(pixels[None])[0], axis=-1)
    assert np.mean(ids == wanted) > 0.999
    assert result.size == (33, 41) and result.counts.sum() == 33 * 41
    assert result.seconds > 0


def test_the_overlay_has_a_legend_below_the_image(model, tmp_path):
    image = save_image(tmp_path / "street.png", (200, 100))
    predict(model, image, output_dir=tmp_path / "out")
    with Image.open(tmp_path / "out/street_overlay.png") as overlay:
        assert overlay.size[0] == 200 and overlay.size[1] > 100


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_images_of_other_modes_work(model, tmp_path, mode):
    image = save_image(tmp_path / "image.png", mode=mode)
    (result,) = predict(model, image, output_dir=tmp_path / "out")
    assert result.status == "done"


def test_16_bit_images_work(model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 40)).astype("uint16")
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    (result,) = predict(model, tmp_path / "deep.png", output_dir=tmp_path / "out")
    assert result.status == "done"


def test_exif_orientation_is_applied(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    predict(model, tmp_path / "turned.jpg", output_dir=tmp_path / "out")
    with Image.open(tmp_path / "out/turned_labels.png") as labels:
        assert labels.size == (30, 40)


def test_unreadable_files_are_logged_and_skipped(model, tmp_path, caplog):
    good = save_image(tmp_path / "good.png")
    for name, content in (("empty.png", b""), ("text.png", b"words")):
        (tmp_path / name).write_bytes(content)
    with caplog.at_level(logging.ERROR):
        results = predict(
            model, tmp_path / "empty.png", tmp_path / "text.png", good,
            output_dir=tmp_path / "out",
        )  # fmt: skip
    assert [result.status for result in results] == ["failed", "failed", "done"]
    assert "empty.png is an empty file" in caplog.text
    assert "text.png is not an image" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "good_labels.png",
        "good_overlay.png",
    }


def test_outputs_keep_the_subfolders_of_a_folder(model, tmp_path):
    save_image(tmp_path / "in/a/x.png")
    save_image(tmp_path / "in/b/x.png")
    (tmp_path / "in/notes.txt").write_text("not an image")
    predict(model, tmp_path / "in", output_dir=tmp_path / "out")
    assert (tmp_path / "out/a/x_labels.png").exists()
    assert (tmp_path / "out/b/x_overlay.png").exists()


def test_a_converted_network_predicts_two_images_at_a_time(tmp_path):
    """Each waits for the other; the results have the order of the files."""
    barrier = threading.Barrier(2, timeout=60)

    class Fake(Runtime):
        num_classes, num_parallel = 3, 2

        probabilities = None

        def label_maps(self, images):
            barrier.wait()
            return images[..., 0] % 3

    class_map = ClassMap(("a", "b", "c"), ((0, 0, 0),) * 3, void_id=255)
    segmenter = Segmenter(ExportedModel(Fake(), "fake"), class_map)
    for index in range(6):
        image = np.full((20, 30, 3), index, "uint8")
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    jobs = find_jobs([str(tmp_path)], tmp_path / "out")
    results = list(predict_images(segmenter, jobs))
    assert [int(result.path.stem) for result in results] == list(range(6))
    assert [int(np.argmax(result.counts)) for result in results] == [0, 1, 2, 0, 1, 2]


def test_a_batch_that_does_not_fit_into_memory_is_halved(tmp_path, caplog):
    sizes = []

    class Fake(Runtime):
        num_classes = 2
        probabilities = None

        def label_maps(self, images):
            sizes.append(len(images))
            if len(images) > 2:
                raise MemoryError
            return images[..., 0]

    class_map = ClassMap(("a", "b"), ((0, 0, 0),) * 2, void_id=255)
    segmenter = Segmenter(ExportedModel(Fake(), "fake"), class_map)
    for index in range(11):
        Image.new("RGB", (30, 20)).save(tmp_path / f"{index}.png")
    jobs = find_jobs([str(tmp_path)], tmp_path / "out")
    # `Segmenter` itself passes at most four images to the network.
    results = list(predict_images(segmenter, jobs, batch_size=4))
    assert [result.status for result in results] == ["done"] * 11
    # Two batches are taken before the first one has failed.
    assert sizes[:3] == [4, 2, 2] and set(sizes[6:]) <= {1, 2}
    line = "Out of memory for 4 images at a time: predicting 2 at a time"
    assert caplog.messages.count(line) == 1
