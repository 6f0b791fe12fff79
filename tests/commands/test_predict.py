"""`predict`: files, printed lines, and errors for bad images."""

import csv
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from keras_fcn.commands import predict
from keras_fcn.prediction import outputs
from keras_fcn.prediction.segmenter import load
from tests.support.commands import call, outcome, refusal
from tests.support.data import PROJECT
from tests.support.image_files import make_png
from tests.support.videos import describe_video, write_video


@pytest.fixture
def image(folder):
    return folder / "images/test/test_0.png"


def test_each_image_gets_a_label_map_and_an_overlay(
    run, folder, image, tmp_path, capsys
):
    output = tmp_path / "out"
    flags = ("--model", run.path, "--output-dir", output)
    status, out, _ = outcome(predict, capsys, folder / "images/test", *flags)
    assert status == 0
    assert out.splitlines() == [
        "Predicted 2 files",
        f"Outputs: {output}/ (test_0_labels.png, test_0_overlay.png, ...)",
    ]
    names = {f"test_{n}_{kind}.png" for n in (0, 1) for kind in ("labels", "overlay")}
    assert {path.name for path in output.iterdir()} == names
    with Image.open(output / "test_0_labels.png") as labels:
        assert (labels.mode, labels.size) == ("P", (64, 48))
        np.testing.assert_array_equal(labels, load(run.path)(image))


@pytest.mark.vgg16
def test_the_bundled_network_is_the_default(image, tmp_path, capsys):
    status, out, _ = outcome(predict, capsys, image, "--output-dir", tmp_path)
    assert status == 0
    assert out.startswith(f"[1/1] {image}: ")
    with Image.open(tmp_path / "test_0_labels.png") as labels:
        np.testing.assert_array_equal(labels, load("fcn8s-camvid")(image))


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (("--tta",), {"tta": True}),
        (
            ("--dense", "shift-and-stitch", "--stride-factor", "2"),
            {"dense": "shift-and-stitch", "stride_factor": 2},
        ),
        (("--size", "40"), {"size": 40}),
        (("--size", "native"), {"size": "native"}),
        (("--tile", "32x48", "--overlap", "0"), {"tile": (32, 48), "overlap": 0}),
        (("--unknown-below", "0.4"), {"unknown_below": 0.4}),
    ],
)
def test_prediction_flags_reach_the_network(
    run, image, tmp_path, capsys, flags, options
):
    common = ("--model", run.path, "--output-dir", tmp_path)
    assert outcome(predict, capsys, image, *common, *flags)[0] == 0
    with Image.open(tmp_path / "test_0_labels.png") as labels:
        np.testing.assert_array_equal(labels, load(run.path, **options)(image))


def test_an_output_folder_that_is_a_file_is_one_line(run, folder, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    flags = ("--model", run.path, "--output-dir", tmp_path / "file")
    line = refusal(predict, capsys, folder / "images/test", *flags)
    assert "--output-dir must be a folder" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_damaged_network_is_one_line(run, capsys, image):
    run.best_model.write_bytes(run.best_model.read_bytes()[:5000])
    line = refusal(predict, capsys, image, "--model", run.path)
    assert "best.keras can't be loaded" in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", " is not JSON"),
        ("{}", ": `names` is required"),
        ("[]", ": expected names, colors, void_id and void_color, got []"),
    ],
)
def test_damaged_classes_are_one_line(run, capsys, content, problem):
    run.classes_file.write_text(content)
    image = PROJECT / "docs/streets.png"
    line = refusal(predict, capsys, image, "--model", run.path)
    assert f"{run.classes_file}{problem}" in line


def test_a_missing_image_is_one_line(run, tmp_path, capsys):
    line = refusal(predict, capsys, tmp_path / "no.png", "--model", run.path)
    assert "There is no image, folder or match" in line


@pytest.mark.parametrize("content", [b"", b"just words"])
def test_only_unreadable_images_give_status_2(run, tmp_path, capsys, caplog, content):
    (tmp_path / "bad.png").write_bytes(content)
    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, tmp_path / "bad.png", *flags)
    assert status == 2 and out == ""
    assert len(caplog.records) == 1 and "bad.png" in caplog.text
    assert not (tmp_path / "out").exists()


def test_some_unreadable_images_give_status_1(run, image, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"")
    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, tmp_path / "bad.png", image, *flags)
    assert status == 1
    assert f"Predicted 1 file, failed 1: {tmp_path}/bad.png\n" in out
    assert (tmp_path / "out/test_0_overlay.png").exists()


def test_control_characters_in_names_are_printed_escaped(image, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good\x1b[2J\nforged: line \udcff.png").write_bytes(image.read_bytes())
    (folder / "bad\x1b[2J\r.png").write_bytes(b"")
    (folder / "large\x07.png").write_bytes(make_png(20_000, 20_000, b""))
    output = ("--output-dir", tmp_path / "out")
    process = call(
        "-m", "keras_fcn", "predict", folder, *output, "--verbose", check=False
    )
    assert process.returncode == 1
    shown = (process.stdout + process.stderr).split("\n")
    assert all(line.isprintable() for line in shown)
    assert rf"{folder}/good\x1b[2J\nforged: line \udcff.png: " in process.stdout
    assert rf"{folder}/bad\x1b[2J" in process.stderr
    assert rf"{folder}/large\x07.png must have at most" in process.stderr


def test_confidence_is_a_gray_image_next_to_the_labels(run, image, tmp_path, capsys):
    flags = ("--model", run.path, "--output-dir", tmp_path, "--confidence")
    assert outcome(predict, capsys, image, *flags)[0] == 0
    segmenter = load(run.path)
    with Image.open(tmp_path / "test_0_confidence.png") as confidence:
        assert (confidence.mode, confidence.size) == ("L", (64, 48))
        expected = np.rint(255 * segmenter.confidence(image))
        np.testing.assert_array_equal(confidence, expected)
    with Image.open(tmp_path / "test_0_labels.png") as labels:
        np.testing.assert_array_equal(labels, segmenter(image))


def test_pixels_below_unknown_below_are_void_and_printed_as_void(
    run, image, tmp_path, capsys
):
    segmenter = load(run.path)
    threshold = float(np.median(segmenter.confidence(image)))
    flags = (
        "--model",
        run.path,
        "--output-dir",
        tmp_path,
        "--unknown-below",
        threshold,
    )
    status, out, _ = outcome(predict, capsys, image, *flags)
    assert status == 0
    with Image.open(tmp_path / "test_0_labels.png") as labels:
        is_void = np.asarray(labels) == segmenter.class_map.void_id
    np.testing.assert_array_equal(is_void, segmenter.confidence(image) < threshold)
    assert 0.2 < is_void.mean() < 0.8
    assert f"void {is_void.mean():.1%}" in out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            ("--size", "0"),
            "--size: expected auto, native or a positive number of pixels",
        ),
        (("--size", "big"), ", got big"),
        (("--size", "-5"), "--size"),
        (("--tile", "31x64"), "--tile must be at least 32x32. Received: 31x64"),
        (("--tile", "0x64"), "expected HEIGHTxWIDTH"),
        (("--tile", "64x96", "--overlap", "64"), "--overlap must be below 64"),
        (("--overlap", "64"), "--overlap requires --tile"),
        (("--unknown-below", "1.5"), "expected a number from 0 to 1"),
    ],
)
def test_a_size_tile_or_probability_out_of_range_is_one_line(
    run, image, capsys, flags, expected
):
    assert expected in refusal(predict, capsys, image, "--model", run.path, *flags)


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "video.mp4", [100 * n for n in range(8)], sound="aac")


def test_a_video_gives_a_video_and_label_maps(run, video, tmp_path, capsys):
    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    table = tmp_path / "table.csv"
    status, out, _ = outcome(predict, capsys, video, *flags, "--csv", table)
    assert status == 0
    line, last = out.splitlines()
    assert line.startswith(f"[1/1] {video}: 8 frames, ") and "class_" in line
    assert last == f"Outputs: {tmp_path}/out/ (video_labels, video_overlay.mp4)"
    made = describe_video(tmp_path / "out/video_overlay.mp4")
    assert len(made["times"]) == 8 and made["sound"] == "aac"
    assert len(list((tmp_path / "out/video_labels").iterdir())) == 8
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["frame"] for row in rows] == [str(n) for n in range(8)]
    assert outcome(predict, capsys, video, *flags)[0] == 0  # replaces its outputs
    flags = (*flags, "--video-labels", "video")
    assert outcome(predict, capsys, video, *flags)[0] == 0
    assert outcome(predict, capsys, video, *flags)[0] == 0
    # Again: it is there.
    _, out, _ = outcome(predict, capsys, video, *flags, "--skip-existing")
    assert out.startswith(f"[1/1] {video}: already there")


def test_flags_of_videos_are_applied(run, video, tmp_path, capsys):
    status, _, _ = outcome(
        predict, capsys, video, "--model", run.path, "--output-dir", tmp_path / "out",
        "--start", "0:00.2", "--end", "0.7", "--every", 2, "--video-labels", "video",
        "--overlay", "none",
    )  # fmt: skip
    assert status == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["video_labels.mkv"]
    times = describe_video(tmp_path / "out/video_labels.mkv")["times"]
    assert times == [0, 200, 400]


def test_a_file_that_is_not_a_video_is_skipped(
    run, video, image, tmp_path, capsys, caplog
):
    (tmp_path / "words.mp4").write_text("just words")
    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    inputs = (tmp_path / "words.mp4", video, image)
    status, out, _ = outcome(predict, capsys, *inputs, *flags)
    assert status == 1
    assert "words.mp4" in caplog.text
    assert f"Predicted 2 files, failed 1: {tmp_path}/words.mp4\n" in out
    assert (tmp_path / "out/video_overlay.mp4").exists()
    assert (tmp_path / "out/test_0_labels.png").exists()


def test_a_missing_camera_is_one_line(capsys):
    line = refusal(predict, capsys, "--camera", "77")
    assert "camera 77" in line and "can't be opened" in line


@pytest.mark.parametrize("skip", [(), ("--skip-existing",)])
def test_a_listed_path_that_is_too_long_is_skipped(run, folder, tmp_path, capsys, skip):
    image = folder / "images/test/test_1.png"
    (tmp_path / "list.txt").write_text(f"{'x' * 5000}\n{image}\n")
    status, out, _ = outcome(
        predict, capsys, "--list", tmp_path / "list.txt", "--model", run.path,
        "--output-dir", tmp_path / "out", *skip,
    )  # fmt: skip
    assert status == 1
    assert "Predicted 1 file, failed 1: xxx" in out
    assert len([*tmp_path.glob("out/**/test_1_labels.png")]) == 1


def test_a_list_an_animation_and_a_table_can_be_combined(run, folder, tmp_path, capsys):
    frames = [Image.new("RGB", (40, 30), (80 * n, 90, 20)) for n in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    image = folder / "images/test/test_1.png"
    (tmp_path / "list.txt").write_text(f"{image}\n\n{tmp_path}/no.png\n")
    table = tmp_path / "tables/table.csv"
    status, out, _ = outcome(
        predict, capsys, tmp_path / "moving.gif", "--list", tmp_path / "list.txt",
        "--model", run.path, "--output-dir", tmp_path / "out", "--csv", table,
        "--overlay", "jpeg", "--opacity", "0.3", "--contours", "--no-legend",
        "--verbose",
    )  # fmt: skip
    assert status == 1  # no.png
    assert f"[1/3] {tmp_path}/moving.gif, frame 2: class_" in out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(Path(row["path"]).name, row["frame"], row["status"]) for row in rows] == [
        *(("moving.gif", str(n), "done") for n in range(3)),
        ("test_1.png", "", "done"),
        ("no.png", "", "failed"),
    ]
    shares = [float(rows[3][name]) for name in ("class_0", "class_1", "class_2")]
    assert sum(shares) == pytest.approx(1, abs=1e-5)
    assert (rows[3]["height"], rows[3]["width"]) == ("48", "64")
    assert "no file" in rows[4]["problem"]
    (labels,) = tmp_path.glob("out/**/test_1_labels.png")
    with Image.open(labels.with_name("test_1_overlay.jpg")) as overlay:
        assert overlay.format == "JPEG" and overlay.size == (64, 48)
    assert (tmp_path / "out/moving_labels/000002.png").exists()
    assert (tmp_path / "out/moving_overlay/000002.jpg").exists()


def test_existing_outputs_are_skipped(run, folder, tmp_path, capsys):
    flags = ("--model", run.path, "--output-dir", tmp_path / "out", "--skip-existing")
    outcome(predict, capsys, folder / "images/test", *flags)
    labels = tmp_path / "out/test_1_labels.png"
    before = labels.stat().st_mtime_ns
    (tmp_path / "out/test_0_overlay.png").unlink()
    table = tmp_path / "table.csv"
    status, out, _ = outcome(
        predict, capsys, folder / "images/test", *flags, "--verbose", "--csv", table
    )
    assert status == 0
    first, second, counts, _ = out.splitlines()
    assert "already there" in second and "class_" in first
    assert counts == "Predicted 1 file, skipped 1 whose outputs exist"
    assert (tmp_path / "out/test_0_overlay.png").exists()
    assert labels.stat().st_mtime_ns == before
    # The rows of skipped images are kept.
    _, predicted, skipped = rows = table.read_text().splitlines()
    assert ",done," in predicted and ",skipped," in skipped
    image = folder / "images/test/test_0.png"
    outcome(predict, capsys, image, *flags, "--csv", table)
    assert table.read_text().splitlines() == rows


def test_without_inputs_example_images_are_predicted(run, tmp_path, capsys):
    with mock.patch("keras_fcn.prediction.examples._SIZE", (32, 48)):
        status, out, _ = outcome(
            predict, capsys, "--model", run.path, "--output-dir", tmp_path / "out"
        )
    assert status == 0
    assert out.startswith("Predicted 3 files\nOutputs: ")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        f"street-{number}{end}.png"
        for number in (1, 2, 3)
        for end in ("", "_labels", "_overlay")
    }
    line = refusal(predict, capsys, "--ray", "local", "--example")
    assert "--ray expects an image, a folder" in line


def test_an_interruption_names_what_is_done_and_how_to_resume(
    run, folder, tmp_path, capsys, caplog
):
    write = outputs.write_outputs

    def interrupt(task, *rest):
        if task.job.path.name == "test_1.png":
            raise KeyboardInterrupt
        return write(task, *rest)

    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    with mock.patch("keras_fcn.prediction.batch.write_outputs", interrupt):
        status, _, _ = outcome(predict, capsys, folder / "images/test", *flags)
    assert status == 130
    assert "1 of 2 files are done. To resume, repeat the command with" in caplog.text


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        (["--start", "x"], "expected seconds, M:S or H:M:S"),
        (["--start", "20", "--end", "0:10"], "--end must be later than --start"),
        (["--every", "0"], "expected a positive integer, got 0"),
        (["--opacity", "1.5"], "expected a number from 0 to 1, got 1.5"),
        (["--overlay", "gif"], "expected one of png, jpeg, none, got gif"),
        (["--list", "no.txt"], "There is no list no.txt"),
        (["--server", "http://localhost/v1/models/x", "--camera", "0"], "images only"),
    ],
)
def test_bad_values_of_flags_are_one_line(image, capsys, flags, needed):
    assert needed in refusal(predict, capsys, image, *flags)


def test_an_image_with_too_many_pixels_is_skipped(
    run, folder, tmp_path, capsys, caplog
):
    images = tmp_path / "in"
    images.mkdir()
    (images / "a.png").write_bytes(make_png(178_000_000, 1, b""))
    (images / "b.png").write_bytes(make_png(13_300, 13_300, b""))
    good = (folder / "images/test/test_0.png").read_bytes()  # 48x64
    (images / "c.png").write_bytes(good)
    flags = (images, "--model", run.path, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, *flags)
    assert status == 1 and "Predicted 1 file, failed 2: " in out
    assert "Received: 178000000x1, which takes about 2.3 GiB to read" in caplog.text
    assert "Received: 13300x13300" in caplog.text
    status, out, _ = outcome(predict, capsys, *flags, "--max-pixels", 48 * 64 - 1)
    assert (status, out) == (2, "")
    assert f"c.png must have at most {48 * 64 - 1} pixels" in caplog.text


def test_outputs_do_not_replace_inputs(run, folder, image, tmp_path, capsys):
    flags = ("--model", run.path, "--output-dir", tmp_path)
    before = run.config_file.read_bytes()
    listed = tmp_path / "list.txt"
    listed.write_text(f"{image}\n")
    for table in (image, listed, run.config_file, run.best_model):
        message = refusal(predict, capsys, "--list", listed, *flags, "--csv", table)
        assert f"would replace the input {table}" in message
    table = tmp_path / "accounts.csv"
    table.write_text("path,amount\n")
    message = refusal(predict, capsys, image, *flags, "--csv", table)
    assert f"{table} was not written by this command" in message
    assert run.config_file.read_bytes() == before


def test_a_prediction_beside_the_images_can_be_repeated(run, image, tmp_path, capsys):
    own = tmp_path / "own"
    own.mkdir()
    (own / "x.png").write_bytes(image.read_bytes())
    flags = (own, "--model", run.path, "--output-dir", own)
    for _ in range(2):
        assert outcome(predict, capsys, *flags)[0] == 0
    Image.new("L", (64, 48), 1).save(own / "x_labels.png")
    before = (own / "x_labels.png").read_bytes()
    assert "was not written by keras-fcn" in refusal(predict, capsys, *flags)
    assert (own / "x_labels.png").read_bytes() == before


def test_large_frames_of_a_video_are_reported(run, tmp_path, capsys, caplog):
    video = write_video(tmp_path / "a.mp4", [0, 100])
    flags = ("--model", run.path, "--output-dir", tmp_path / "out")
    status, out, _ = outcome(predict, capsys, video, *flags, "--max-pixels", 3000)
    assert (status, out) == (2, "")
    assert "must have frames of at most 3000 pixels, `max_pixels`" in caplog.text
