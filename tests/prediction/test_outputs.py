"""The files that are written for an image, and those that they may replace."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.commands import inspect, predict
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.images.encoding import encode_jpeg, encode_png
from keras_fcn.prediction.batch import predict_images
from keras_fcn.prediction.jobs import Job, find_jobs
from keras_fcn.prediction.outputs import (
    Outputs,
    check_outputs,
    write_file,
    write_outputs,
)
from keras_fcn.prediction.results import ImageTask
from keras_fcn.prediction.segmenter import Segmenter
from tests.support.commands import outcome, refusal
from tests.support.videos import write_video

OUTPUTS = Outputs()
PIXELS = np.full((6, 8, 3), 7, "uint8")
_CLASSES = ClassMap(("a", "b/c", "d"), ((255, 0, 0), (0, 255, 0), (0, 0, 255)), 255)


@pytest.fixture
def images(tmp_path):
    """Four noisy images, two of them in a subfolder."""
    rng = np.random.default_rng(1)
    for name in ("p0.png", "p1.png", "below/p2.png", "below/p3.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype="uint8"))
        coarse.resize((96, 64)).save(path)
    return tmp_path / "images"


@pytest.mark.parametrize("kind", ["labelme", "coco"])
def test_polygons_can_be_trained_on_and_give_the_predicted_label_maps(
    scored_run, images, tmp_path, capsys, kind
):
    """The same label maps, from annotation files that lie next to the images."""
    flags = ("--model", scored_run.path, "--annotations", kind, "--overlay", "none")
    label_maps = tmp_path / "out"
    flags = (*flags, "--unknown-below", "0.6")
    status, _, err = outcome(
        predict, capsys, images, *flags, "--output-dir", label_maps
    )
    assert status == 0, err
    for path in [*label_maps.rglob("*.json"), *label_maps.glob("labels.txt")]:
        path.rename(images / path.relative_to(label_maps))
    flags = ("--data-dir", images, "--samples", tmp_path / "page.png")
    assert outcome(inspect, capsys, *flags)[0] == 0
    data = read_folder(images)
    names = data.require_encoding().class_map.names
    assert "background" not in names  # no pixel is outside all polygons
    trained = scored_run.read_class_map().names
    ids = [names.index(name) for name in trained] + [255] * (256 - len(trained))
    found = set()
    for _, sample, _ in data.pairs():
        stored = np.asarray(Image.open(label_maps / f"{sample.name}_labels.png"))
        found.update(np.unique(stored))
        np.testing.assert_array_equal(data.read_sample(sample)[1], np.take(ids, stored))
    assert {255} < found


def test_a_labelme_file_names_its_image(model, images, tmp_path):
    outputs = Outputs("none", annotations=("labelme",))
    jobs = find_jobs([str(images)], tmp_path / "out")
    list(predict_images(Segmenter(model, _CLASSES), jobs, outputs))
    content = json.loads((tmp_path / "out/below/p2.json").read_text())
    assert content["imagePath"] == "../../images/below/p2.png"
    assert (content["imageHeight"], content["imageWidth"]) == (64, 96)


def test_label_map_confidence_and_probabilities_agree(model, images, tmp_path):
    outputs = Outputs("none", confidence=True, probabilities=True, class_masks=True)
    segmenter = Segmenter(model, _CLASSES)
    jobs = find_jobs([str(images / "p0.png")], tmp_path / "out")
    (result,) = predict_images(segmenter, jobs, outputs)
    probabilities = np.load(tmp_path / "out/p0_probabilities.npy")
    assert probabilities.dtype == "float32" and probabilities.shape == (64, 96, 3)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    label_map = np.asarray(Image.open(tmp_path / "out/p0_labels.png"))
    np.testing.assert_array_equal(label_map, probabilities.argmax(axis=-1))
    np.testing.assert_array_equal(label_map, segmenter(images / "p0.png"))
    assert result.confidence == pytest.approx(probabilities.max(axis=-1).mean())
    names = sorted(path.name for path in (tmp_path / "out/p0_masks").iterdir())
    assert names == ["0_a.png", "1_b_c.png", "2_d.png"]
    mask = np.asarray(Image.open(tmp_path / "out/p0_masks/1_b_c.png"))
    np.testing.assert_array_equal(mask, 255 * (label_map == 1))


def test_masks_of_classes_with_long_names_are_written(job):
    class_map = ClassMap(("海" * 100, "b/c"), ((255, 0, 0), (0, 255, 0)), 255)
    task = ImageTask(job, image=PIXELS, label_map=PIXELS[..., 0] * 0)
    outputs = Outputs("none", class_masks=True)
    assert not write_outputs(task, class_map, outputs).problem
    names = sorted(path.name for path in job.output("_masks", "").iterdir())
    assert names == [f"0_{'海' * 66}.png", "1_b_c.png"]


def test_geojson_has_a_feature_for_each_region(model, images, tmp_path):
    jobs = find_jobs([str(images / "p0.png")], tmp_path / "out")
    outputs = Outputs("none", annotations=("geojson",))
    list(predict_images(Segmenter(model, _CLASSES), jobs, outputs))
    content = json.loads((tmp_path / "out/p0.geojson").read_text())
    areas = [feature["properties"]["area"] for feature in content["features"]]
    assert sum(areas) == 64 * 96


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--annotations", "labelme,svg"), "some of labelme, coco and geojson"),
        (("--annotations", "coco", "--skip-existing"), "can't be combined"),
        (("--class-masks", "--camera", "0"), "--class-masks can't be written for"),
        (
            ("--probabilities", "--server", "http://localhost:1/v1/models/m"),
            "leave out --probabilities",
        ),
    ],
)
def test_outputs_that_cannot_be_written_are_refused(
    scored_run, images, capsys, flags, message
):
    flags = (images, "--model", scored_run.path, *flags)
    assert message in refusal(predict, capsys, *flags)


def test_labelme_files_of_the_user_are_not_replaced(scored_run, images, capsys):
    (images / "p0.json").write_text("{}")
    flags = ("--model", scored_run.path, "--annotations", "labelme")
    line = refusal(predict, capsys, images, *flags, "--output-dir", images)
    assert f"{images}/p0.json was not written by keras-fcn" in line
    assert (images / "p0.json").read_text() == "{}"


@pytest.fixture
def job(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.gif")
    return Job(tmp_path / "a.gif", tmp_path / "a")


def check(*jobs, outputs=OUTPUTS, inputs=(), tables=()):
    check_outputs(jobs, outputs, inputs, tables)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("a_labels.png", OUTPUTS),
        ("a_overlay.png", OUTPUTS),
        ("a_overlay.jpg", Outputs("jpeg")),
        ("a_confidence.png", Outputs(confidence=True)),
        ("a_labels/000000.png", OUTPUTS),
        ("a_overlay/000007.png", OUTPUTS),
    ],
)
def test_inputs_are_not_replaced(job, tmp_path, name, outputs):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_file(tmp_path / name, encode_png(PIXELS))
    other = Job(tmp_path / name, tmp_path / "other")
    with pytest.raises(ValueError, match=f"would replace the input .*{name}"):
        check(job, other, outputs=outputs)
    check(replace(job, stem=tmp_path / "out/a"), other, outputs=outputs)


@pytest.mark.parametrize("name", ["v_overlay.mp4", "v_labels.mkv", "v_labels/1.png"])
def test_outputs_of_a_video_do_not_replace_inputs(tmp_path, name):
    for path in (tmp_path / "v.mp4", tmp_path / name):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"video")
    jobs = Job(tmp_path / "v.mp4", tmp_path / "v"), Job(tmp_path / name, tmp_path / "x")
    kind = "png" if "/" in name else "video"
    with pytest.raises(ValueError, match="would replace the input"):
        check(*jobs, outputs=Outputs(video_labels=kind))


def test_table_does_not_replace_an_input(job, tmp_path):
    (tmp_path / "list.txt").write_text("a.gif")
    for path in (job.path, tmp_path / "list.txt"):
        with pytest.raises(ValueError, match="would replace the input"):
            check(job, inputs=[tmp_path / "list.txt"], tables=[path])


def test_table_is_no_other_output(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for tables in (["a_labels.png"], ["b/labels.txt", "b/../b/labels.txt"]):
        with pytest.raises(ValueError, match=f"{tables[0]} would be two outputs"):
            check(job, tables=list(map(Path, tables)))


@pytest.mark.parametrize("name", ["a_labels.png", "a_labels/000000.png"])
def test_hand_made_label_map_is_not_replaced(job, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / name)
    for outputs in (OUTPUTS, Outputs(skip_existing=True)):  # there is no overlay
        with pytest.raises(ValueError, match=f"{name} was not written by keras-fcn"):
            check(job, outputs=outputs)
    check(job, outputs=Outputs("none", skip_existing=True))


def test_hand_made_files_of_other_kinds_are_not_replaced(job, tmp_path):
    outputs = Outputs(
        annotations=("labelme", "geojson"), probabilities=True, class_masks=True
    )
    names = ("a.json", "a.geojson", "a_probabilities.npy", "a_masks/0_a.png")
    for path in (tmp_path / name for name in names):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'{"version": "5.5.0"}')
        with pytest.raises(ValueError, match=f"{path.name} was not written by"):
            check(job, outputs=outputs)
        path.unlink()
    np.save(tmp_path / names[2], np.zeros(8))
    for size in (None, 17, 6):  # also truncated files
        content = (tmp_path / names[2]).read_bytes()[:size]
        (tmp_path / names[2]).write_bytes(content)
        with pytest.raises(ValueError, match=f"{names[2]} was not written by"):
            check(job, outputs=outputs)
    (tmp_path / "annotations.coco.json").write_text("{}")
    with pytest.raises(ValueError, match="annotations.coco.json was not written by"):
        check(
            replace(job, stem=tmp_path / "b"),
            tables=[tmp_path / names[0], tmp_path / "annotations.coco.json"],
        )


def test_all_outputs_can_be_replaced_by_those_of_the_same_command(
    scored_run, images, tmp_path, capsys
):
    flags = ("--annotations", "labelme,geojson,coco", "--class-masks", "--confidence")
    flags = (*flags, "--probabilities", "--model", scored_run.path)
    flags = (images, *flags, "--output-dir", tmp_path / "out", "--csv", tmp_path / "t")
    for _ in range(2):
        status, _, err = outcome(predict, capsys, *flags)
        assert status == 0, err
    # Of another network, or of the user.
    (tmp_path / "out/labels.txt").write_text("mine")
    assert "labels.txt has other classes" in refusal(predict, capsys, *flags)
    assert (tmp_path / "out/labels.txt").read_text() == "mine"


@pytest.mark.parametrize("annotations", ["labelme", "coco"])
def test_a_list_is_not_replaced_by_annotations(
    scored_run, images, tmp_path, capsys, annotations
):
    name = {"labelme": "labels.txt", "coco": "annotations.coco.json"}[annotations]
    (tmp_path / name).write_text(str(images / "p0.png"))
    flags = ("--model", scored_run.path, "--annotations", annotations)
    flags = ("--list", tmp_path / name, *flags, "--output-dir", tmp_path)
    assert "would replace the input" in refusal(predict, capsys, *flags)


@pytest.mark.parametrize(
    "name", ["v_overlay.mp4", "v_labels.mkv", "v_labels/000000.png"]
)
@pytest.mark.parametrize("skip_existing", [False, True])
def test_hand_made_files_are_not_replaced_by_those_of_a_video(
    tmp_path, name, skip_existing
):
    write_video(tmp_path / "v.mp4", [0, 100])
    job, path = Job(tmp_path / "v.mp4", tmp_path / "v"), tmp_path / name
    path.parent.mkdir(exist_ok=True)
    write_video(path, [0]) if path.suffix != ".png" else path.write_bytes(b"label map")
    kind = "png" if "/" in name else "video"
    # Without an overlay, the label map of a frame alone may seem complete.
    overlay = "png" if "overlay" in name else "none"
    outputs = Outputs(overlay, video_labels=kind, skip_existing=skip_existing)
    with pytest.raises(ValueError, match=f"{name} was not written by keras-fcn"):
        check(job, outputs=outputs)
    path.write_bytes(b"no video")
    with pytest.raises(ValueError, match=f"{name} was not written by keras-fcn"):
        check(job, outputs=outputs)


@pytest.mark.parametrize("suffix", ["png", "jpeg"])
def test_outputs_of_an_earlier_prediction_are_replaced(job, tmp_path, suffix):
    encode = {"png": encode_png, "jpeg": encode_jpeg}[suffix]
    outputs = Outputs(suffix)
    for path in outputs.paths(job).values():
        write_file(
            path, encode(PIXELS) if "overlay" in path.name else encode_png(PIXELS)
        )
        assert cv2.imread(str(path)).shape == PIXELS.shape
        with Image.open(path) as image:
            np.testing.assert_allclose(image.convert("RGB"), PIXELS, atol=2)
            marks = (image.info.get("Software"), image.info.get("comment"))
            assert marks in (("keras-fcn", None), (None, b"Software\0keras-fcn"))
    check(job, outputs=outputs)
