"""Films in and films out, with a stand-in for the network."""

import av
import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import OverlayStyle
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.pictures import Outputs
from keras_fcn.prediction.video.predict import is_predicted, predict_video
from keras_fcn.prediction.video.reader import (
    CameraReader,
    Clip,
    UnreadableVideo,
    VideoReader,
)
from tests.support.films import describe_film, draw_frame, write_film

CLASS_MAP = ClassMap(("dark", "light"), ((200, 0, 0), (0, 0, 200)), 255)
EVEN = [100 * index for index in range(20)]
UNEVEN = [0, 100, 150, 400, 450, 1000, 1900, 2000]


class StandIn:
    """Labels light pixels 1, dark ones 0."""

    class_map = CLASS_MAP

    def __call__(self, images):
        return (images[..., 1] > 120).astype("uint8")


def predict(path, clip=Clip(), **outputs):  # noqa: B008
    job = Job(path, path.parent / "out" / path.stem)
    with VideoReader(path, clip) as film:
        return list(predict_video(StandIn(), film, job, Outputs(**outputs)))


def read_ids(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize("times", [EVEN, UNEVEN])
@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("a.mp4", "libx264", "aac"),
        ("a.mkv", "ffv1", "pcm_s16le"),
        ("a.ts", "libx264", "aac"),
        ("a.webm", "libvpx-vp9", "libopus"),
    ],
)
def test_the_overlay_has_the_times_and_the_sound_of_the_film(
    tmp_path, name, codec, sound, times
):
    film = write_film(tmp_path / name, times, codec, None if "opus" in sound else sound)
    results = predict(film)
    assert [result.frame for result in results] == list(range(len(times)))
    made = describe_film(tmp_path / "out/a_overlay.mp4")
    assert (made["codec"], made["pixels"]) == ("h264", "yuv420p")
    assert np.abs(np.subtract(made["times"], times)).max() <= 1
    if "opus" not in sound:
        assert made["sound"] == "aac"
        assert made["sound_seconds"] == pytest.approx(times[-1] / 1000 + 0.1, abs=0.15)


def test_its_index_stands_at_the_beginning(tmp_path):
    predict(write_film(tmp_path / "a.mp4", EVEN))
    content = (tmp_path / "out/a_overlay.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_each_frame_is_predicted_in_its_place(tmp_path):
    predict(write_film(tmp_path / "a.mp4", EVEN))
    for index in (0, 7, 19):
        ids = read_ids(tmp_path / f"out/a_labels/{index:06}.png")
        wanted = draw_frame(index)[..., 1] > 120
        assert np.mean(ids == wanted) > 0.97  # but what H.264 has blurred


def test_label_maps_become_a_film_without_loss(tmp_path):
    film = write_film(tmp_path / "a.mp4", UNEVEN)
    predict(film)
    predict(film, video_labels="film")
    made = describe_film(tmp_path / "out/a_labels.mkv")
    assert made["codec"] == "ffv1" and made["times"] == UNEVEN
    for index, image in enumerate(made["images"]):
        ids = read_ids(tmp_path / f"out/a_labels/{index:06}.png")
        np.testing.assert_array_equal(image[..., 0], ids)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("times", [EVEN, UNEVEN])
def test_a_clip_keeps_the_numbers_of_its_frames(tmp_path, name, times):
    film = write_film(tmp_path / name, times, sound="aac")
    results = predict(film, Clip(start=0.4, end=1.5, every=2))
    inside = [n for n, time in enumerate(times) if 400 <= time < 1500]
    assert [result.frame for result in results] == inside[::2]
    for result in results:
        ids = read_ids(tmp_path / f"out/a_labels/{result.frame:06}.png")
        assert np.mean(ids == (draw_frame(result.frame)[..., 1] > 120)) > 0.97
    made = describe_film(tmp_path / "out/a_overlay.mp4")
    assert made["times"] == [times[n] - times[inside[0]] for n in inside[::2]]
    assert made["sound_seconds"] < 1.3


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_films_of_phones_are_turned_upright(tmp_path, rotation, turns):
    write_film(tmp_path / "a.mp4", EVEN[:2], rotation=rotation)
    predict(tmp_path / "a.mp4", style=OverlayStyle(legend=False))
    ids = read_ids(tmp_path / "out/a_labels/000001.png")
    wanted = np.rot90(draw_frame(1)[..., 1] > 120, turns)
    assert ids.shape == wanted.shape
    assert np.mean(ids == wanted) > 0.95
    assert describe_film(tmp_path / "out/a_overlay.mp4")["size"] == wanted.shape


def test_odd_sizes_are_filled_up_and_labels_keep_theirs(tmp_path):
    write_film(tmp_path / "a.mkv", EVEN[:2], "ffv1", size=(33, 47))
    predict(tmp_path / "a.mkv", style=OverlayStyle(legend=False))
    assert describe_film(tmp_path / "out/a_overlay.mp4")["size"] == (34, 48)
    assert read_ids(tmp_path / "out/a_labels/000000.png").shape == (33, 47)


def test_an_interruption_leaves_a_film_that_plays(tmp_path):
    film = write_film(tmp_path / "a.mp4", EVEN)
    job = Job(film, tmp_path / "out/a")
    with VideoReader(film) as reader:
        results = predict_video(StandIn(), reader, job, Outputs(video_labels="film"))
        for _ in range(5):
            next(results)
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    for name in ("a_overlay.mp4", "a_labels.mkv"):
        assert 5 <= len(describe_film(tmp_path / "out" / name)["times"]) < 20
    with VideoReader(film) as reader:
        assert not is_predicted(reader, job, Outputs())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a_labels.mkv",
        "a_overlay.mp4",
    ]


def test_a_full_disk_leaves_no_half_film(tmp_path, monkeypatch):
    film = write_film(tmp_path / "a.mp4", EVEN)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_fcn.prediction.video.predict.write_content", fail)
    with pytest.raises(OSError, match="No space left"):
        predict(film)
    assert not (tmp_path / "out/a_overlay.mp4").exists()


def cut_off(film, share):
    content = film.read_bytes()
    film.write_bytes(content[: int(share * len(content))])
    return film


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_what_can_be_read_of_a_film_that_is_cut_off_is_written(
    tmp_path, caplog, suffix
):
    film = write_film(tmp_path / "a.mkv", EVEN, "ffv1", size=(240, 320))
    if suffix == "mp4":  # with its index at the beginning
        predict(film)
        film = (tmp_path / "out/a_overlay.mp4").rename(tmp_path / "a.mp4")
    *results, last = predict(cut_off(film, 0.8))
    assert "is cut off" in last.problem and last.status == "failed"
    assert "what could be read is written" in caplog.text
    made = describe_film(tmp_path / "out/a_overlay.mp4")
    assert 3 < len(made["times"]) == len(results) < 20


def test_a_film_that_is_cut_off_before_its_index_is_refused(tmp_path):
    film = cut_off(write_film(tmp_path / "a.mp4", EVEN), 0.8)
    with pytest.raises(UnreadableVideo, match="cut off before its index"):
        VideoReader(film)


def test_damage_in_the_middle_costs_its_frames_alone(tmp_path):
    film = write_film(tmp_path / "a.mp4", EVEN, size=(96, 128))
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    film.write_bytes(content)
    results = predict(film)
    assert "is damaged" in results[-1].problem
    assert len([result for result in results if not result.problem]) > 10


def test_a_film_that_is_there_is_known(tmp_path):
    film = write_film(tmp_path / "a.mp4", EVEN)
    job = Job(film, tmp_path / "out/a")
    with VideoReader(film) as reader:
        assert not is_predicted(reader, job, Outputs())
    predict(film)
    with VideoReader(film) as reader:
        assert is_predicted(reader, job, Outputs())
        assert not is_predicted(reader, job, Outputs("none", video_labels="film"))
    with VideoReader(film, Clip(every=3)) as reader:
        assert reader.num_frames == 7


def test_sound_alone_is_no_film(tmp_path):
    write_film(tmp_path / "a.mp4", EVEN, sound="aac")
    with (
        av.open(str(tmp_path / "a.mp4")) as source,
        av.open(str(tmp_path / "b.mp4"), "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(UnreadableVideo, match="b.mp4 must have a video.*Received: aud"):
        VideoReader(tmp_path / "b.mp4")


@pytest.mark.parametrize("content", [b"", b"just words\n" * 50, bytes(5000)])
def test_what_is_no_film_is_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnreadableVideo, match="a.mp4 (can't be opened|must have)"):
        VideoReader(tmp_path / "a.mp4")


def test_a_codec_that_nobody_knows_is_refused(tmp_path):
    film = write_film(tmp_path / "a.avi", EVEN, "mpeg4")
    film.write_bytes(film.read_bytes().replace(b"FMP4", b"QQZ7"))
    with pytest.raises(UnreadableVideo, match="no decoder"):
        VideoReader(film)


def test_a_camera_that_is_not_there_is_refused():
    with pytest.raises(UnreadableVideo, match="camera 77 .*can't be opened"):
        CameraReader("77")
