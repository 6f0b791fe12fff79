"""Prediction of videos, with a stand-in for the network."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.drawing.overlays import OverlayStyle
from keras_fcn.prediction.jobs import Job
from keras_fcn.prediction.outputs import Outputs
from keras_fcn.prediction.video.predict import is_predicted, predict_video
from keras_fcn.prediction.video.reader import (
    CameraReader,
    Clip,
    UnreadableVideo,
    VideoReader,
)
from keras_fcn.prediction.video.writer import AudioCopy, is_written_video
from tests.support.videos import describe_video, draw_frame, write_video

CLASS_MAP = ClassMap(("dark", "light"), ((200, 0, 0), (0, 0, 200)), 255)
EVEN = [100 * index for index in range(20)]
UNEVEN = [0, 100, 150, 400, 450, 1000, 1900, 2000]


class StandIn:
    """Assigns class 1 to bright pixels and 0 to dark ones."""

    class_map = CLASS_MAP
    model = None

    def __call__(self, images):
        return (images[..., 1] > 120).astype("uint8")


def predict(path, clip=Clip(), **outputs):  # noqa: B008
    job = Job(path, path.parent / "out" / path.stem)
    with VideoReader(path, clip) as video:
        return list(predict_video(StandIn(), video, job, Outputs(**outputs)))


def read_ids(path):
    with Image.open(path) as image:
        return np.asarray(image)


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
def test_the_overlay_has_the_times_and_the_audio_of_the_video(
    tmp_path, name, codec, sound, times
):
    video = write_video(
        tmp_path / name, times, codec, None if "opus" in sound else sound
    )
    results = predict(video)
    assert [result.frame for result in results] == list(range(len(times)))
    made = describe_video(tmp_path / "out/a_overlay.mp4")
    assert (made["codec"], made["pixels"]) == ("h264", "yuv420p")
    assert np.abs(np.subtract(made["times"], times)).max() <= 1
    if "opus" not in sound:
        assert made["sound"] == "aac"
        assert made["sound_seconds"] == pytest.approx(times[-1] / 1000 + 0.1, abs=0.15)


def test_the_index_of_the_overlay_is_at_its_beginning(tmp_path):
    predict(write_video(tmp_path / "a.mp4", EVEN))
    content = (tmp_path / "out/a_overlay.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_each_frame_has_its_own_label_map(tmp_path):
    predict(write_video(tmp_path / "a.mp4", EVEN))
    for index in (0, 7, 19):
        ids = read_ids(tmp_path / f"out/a_labels/{index:06}.png")
        wanted = draw_frame(index)[..., 1] > 120
        assert np.mean(ids == wanted) > 0.97  # H.264 blurs the border


def test_label_maps_are_written_as_a_lossless_video(tmp_path):
    video = write_video(tmp_path / "a.mp4", UNEVEN)
    predict(video)
    predict(video, video_labels="video")
    made = describe_video(tmp_path / "out/a_labels.mkv")
    assert made["codec"] == "ffv1" and made["times"] == UNEVEN
    for index, image in enumerate(made["images"]):
        ids = read_ids(tmp_path / f"out/a_labels/{index:06}.png")
        np.testing.assert_array_equal(image[..., 0], ids)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("times", [EVEN, UNEVEN])
def test_a_clip_keeps_the_numbers_of_its_frames(tmp_path, name, times):
    video = write_video(tmp_path / name, times, sound="aac")
    results = predict(video, Clip(start=0.4, end=1.5, every=2))
    inside = [n for n, time in enumerate(times) if 400 <= time < 1500]
    assert [result.frame for result in results] == inside[::2]
    for result in results:
        ids = read_ids(tmp_path / f"out/a_labels/{result.frame:06}.png")
        assert np.mean(ids == (draw_frame(result.frame)[..., 1] > 120)) > 0.97
    made = describe_video(tmp_path / "out/a_overlay.mp4")
    assert made["times"] == [times[n] - times[inside[0]] for n in inside[::2]]
    assert made["sound_seconds"] < 1.3
    with av.open(str(tmp_path / "out/a_overlay.mp4")) as container:
        assert next(container.decode(audio=0)).time == pytest.approx(0, abs=0.05)


def test_a_clip_of_a_raw_stream_keeps_the_numbers_of_its_frames(tmp_path):
    path = write_video(tmp_path / "a.h264", EVEN)
    with VideoReader(path) as video:
        numbers = [frame.index for frame in video.frames() if float(frame.time) >= 0.2]
    assert 0 < numbers[0] and len(numbers) > 10
    with VideoReader(path, Clip(start=0.2)) as video:
        assert [frame.index for frame in video.frames()] == numbers


def test_the_frame_at_the_end_of_a_clip_is_not_part_of_it(tmp_path):
    results = predict(write_video(tmp_path / "a.mp4", EVEN), Clip(end=0.5))
    assert [result.frame for result in results] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])  # copied and encoded
def test_audio_begins_and_ends_with_the_clip(tmp_path, sound):
    path = write_video(tmp_path / "a.mkv", EVEN, "ffv1", sound=sound)
    with av.open(str(path)) as source:
        time = float(list(source.decode(audio=0))[9].time)

    def num_packets(begin, end):
        audio = AudioCopy(path, Fraction(begin), end)
        with av.open(str(tmp_path / "b.mp4"), "w") as target:
            audio.begin(target)
            audio.copy_until(100)
            audio.close()
        with av.open(str(tmp_path / "b.mp4")) as made:
            return sum(packet.size > 0 for packet in made.demux(audio=0))

    # What begins at the end is not part of the clip, what begins with it is.
    assert num_packets(0, time) == num_packets(0, time + 1e-6) - 1
    assert num_packets(time, None) == num_packets(time + 1e-6, None) + 1


def test_times_of_a_clip_count_from_the_first_frame_for_the_audio_too(tmp_path):
    times = [700 + time for time in EVEN]
    video = write_video(tmp_path / "a.mkv", times, "ffv1", sound="pcm_s16le")
    results = predict(video, Clip(end=1.0))
    assert [result.frame for result in results] == list(range(10))
    made = describe_video(tmp_path / "out/a_overlay.mp4")
    assert made["sound_seconds"] == pytest.approx(1.0, abs=0.1)


def test_the_rate_of_uneven_frames_is_their_average(tmp_path):
    path = write_video(tmp_path / "a.mp4", UNEVEN)
    with av.open(str(path)) as container, VideoReader(path) as video:
        stream = container.streams.video[0]
        assert video.rate == stream.average_rate != stream.guessed_rate


def test_the_rate_of_television_is_not_rounded(tmp_path):
    rate, video = Fraction(30_000, 1001), tmp_path / "a.mkv"
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for index in range(60):
            frame = av.VideoFrame.from_ndarray(draw_frame(index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    predict(video, video_labels="video")
    for name in ("a_overlay.mp4", "a_labels.mkv"):
        with av.open(str(tmp_path / "out" / name)) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, np.arange(60) / float(rate), atol=1e-3)
    with VideoReader(tmp_path / "out/a_overlay.mp4") as made:
        assert made.duration == pytest.approx(60 / float(rate), abs=1e-3)


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_videos_of_phones_are_rotated_upright(tmp_path, rotation, turns):
    write_video(tmp_path / "a.mp4", EVEN[:2], rotation=rotation)
    predict(tmp_path / "a.mp4", style=OverlayStyle(legend=False))
    ids = read_ids(tmp_path / "out/a_labels/000001.png")
    wanted = np.rot90(draw_frame(1)[..., 1] > 120, turns)
    assert ids.shape == wanted.shape
    assert np.mean(ids == wanted) > 0.95
    assert describe_video(tmp_path / "out/a_overlay.mp4")["size"] == wanted.shape


@pytest.mark.parametrize(("rotation", "expected"), [(0, "4/3"), (90, "3/4")])
def test_the_overlay_has_the_pixel_aspect_of_the_video(tmp_path, rotation, expected):
    write_video(tmp_path / "a.mp4", EVEN[:2], rotation=rotation, aspect=Fraction("4/3"))
    predict(tmp_path / "a.mp4")
    with av.open(str(tmp_path / "out/a_overlay.mp4")) as container:
        aspect = container.streams.video[0].sample_aspect_ratio
    assert aspect == Fraction(expected)


def test_every_second_frame_lasts_twice_as_long(tmp_path):
    predict(write_video(tmp_path / "a.mp4", EVEN), Clip(every=2), video_labels="video")
    for name in ("a_overlay.mp4", "a_labels.mkv"):
        with VideoReader(tmp_path / "out" / name) as made:
            assert made.duration == pytest.approx(2.0, abs=0.01)


def test_the_style_applies_to_overlays_of_videos(tmp_path):
    video = write_video(tmp_path / "a.mp4", EVEN[:1])
    predict(video, style=OverlayStyle(opacity=0, contours=False, legend=False))
    (image,) = describe_video(tmp_path / "out/a_overlay.mp4")["images"]
    assert np.abs(image.astype(int) - draw_frame(0)).mean() < 4


def test_odd_sizes_are_padded_in_the_overlay_only(tmp_path):
    write_video(tmp_path / "a.mkv", EVEN[:2], "ffv1", size=(33, 47))
    predict(tmp_path / "a.mkv", style=OverlayStyle(legend=False))
    assert describe_video(tmp_path / "out/a_overlay.mp4")["size"] == (34, 48)
    assert read_ids(tmp_path / "out/a_labels/000000.png").shape == (33, 47)


def test_an_interruption_leaves_a_video_that_plays(tmp_path):
    video = write_video(tmp_path / "a.mp4", EVEN)
    job = Job(video, tmp_path / "out/a")
    with VideoReader(video) as reader:
        results = predict_video(StandIn(), reader, job, Outputs(video_labels="video"))
        for _ in range(5):
            next(results)
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    for name in ("a_overlay.mp4", "a_labels.mkv"):
        assert 5 <= len(describe_video(tmp_path / "out" / name)["times"]) < 20
    with VideoReader(video) as reader:
        assert not is_predicted(reader, job, Outputs())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "a_labels.mkv",
        "a_overlay.mp4",
    ]


def test_a_full_disk_leaves_no_incomplete_video(tmp_path, monkeypatch):
    video = write_video(tmp_path / "a.mp4", EVEN)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keras_fcn.prediction.outputs.write_content", fail)
    with pytest.raises(OSError, match="No space left"):
        predict(video)
    assert not (tmp_path / "out/a_overlay.mp4").exists()


def cut_off(video, share):
    content = video.read_bytes()
    video.write_bytes(content[: int(share * len(content))])
    return video


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_readable_part_of_a_truncated_video_is_written(tmp_path, caplog, suffix):
    video = write_video(tmp_path / "a.mkv", EVEN, "ffv1", size=(240, 320))
    if suffix == "mp4":  # with its index at the beginning
        predict(video)
        video = (tmp_path / "out/a_overlay.mp4").rename(tmp_path / "a.mp4")
    *results, last = predict(cut_off(video, 0.8))
    assert "is cut off" in last.problem and last.status == "failed"
    assert "what could be read is written" in caplog.text
    made = describe_video(tmp_path / "out/a_overlay.mp4")
    assert 3 < len(made["times"]) == len(results) < 20


def test_a_video_that_is_cut_off_before_its_index_is_refused(tmp_path):
    video = cut_off(write_video(tmp_path / "a.mp4", EVEN), 0.8)
    with pytest.raises(UnreadableVideo, match="cut off before its index"):
        VideoReader(video)


def test_damage_in_the_middle_loses_only_its_frames(tmp_path):
    video = write_video(tmp_path / "a.mp4", EVEN, size=(96, 128))
    content = bytearray(video.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    video.write_bytes(content)
    results = predict(video)
    assert "is damaged" in results[-1].problem
    assert len([result for result in results if not result.problem]) > 10


def test_an_existing_complete_output_is_recognized(tmp_path):
    video = write_video(tmp_path / "a.mp4", EVEN)
    job = Job(video, tmp_path / "out/a")
    with VideoReader(video) as reader:
        assert not is_predicted(reader, job, Outputs())
        predict(video, Clip(end=1.5))
        assert not is_predicted(reader, job, Outputs())
    predict(video)
    with VideoReader(video) as reader:
        assert is_predicted(reader, job, Outputs())
        assert not is_predicted(reader, job, Outputs("none", video_labels="video"))
    with VideoReader(video, Clip(every=3)) as reader:
        assert reader.num_frames == 7


def test_audio_without_video_is_refused(tmp_path):
    write_video(tmp_path / "a.mp4", EVEN, sound="aac")
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


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])
def test_metadata_that_is_not_utf_8_is_no_obstacle(tmp_path, name):
    path = write_video(tmp_path / name, EVEN[:2], "mpeg4")
    content = path.read_bytes()
    assert b"Lavf" in content
    path.write_bytes(content.replace(b"Lavf", b"L\xe9vf"))
    with VideoReader(path) as video:
        assert len(list(video.frames())) == 2
    assert not is_written_video(path)


@pytest.mark.parametrize("content", [b"", b"just words\n" * 50, bytes(5000)])
def test_files_that_are_not_videos_are_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnreadableVideo, match="a.mp4 (can't be opened|must have)"):
        VideoReader(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "content",
    [
        "ffconcat version 1.0\nfile b.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nb.m3u8\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8", "a.ffconcat", "a.mpd"])
def test_lists_of_other_files_are_not_videos(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "b.mp4", EVEN[:2])
    (tmp_path / name).write_text(content)
    for path in (tmp_path / name, Path(name)):
        with pytest.raises(UnreadableVideo, match="it is not a video"):
            VideoReader(path)


def test_frames_with_too_many_pixels_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", EVEN[:2])
    with pytest.raises(UnreadableVideo, match="at most 3071 pixels.*Received: 64x48"):
        VideoReader(path, max_pixels=64 * 48 - 1)
    with VideoReader(path, max_pixels=64 * 48) as video:
        assert len(list(video.frames())) == 2


def test_frames_that_become_too_large_are_damaged(tmp_path):
    small = write_video(tmp_path / "small.h264", EVEN[:2])
    large = write_video(tmp_path / "large.h264", EVEN[:2], size=(480, 640))
    path = tmp_path / "a.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    with VideoReader(path) as video:
        assert (480, 640, 3) in {frame.image.shape for frame in video.frames()}
    with VideoReader(path, max_pixels=64 * 48) as video:
        assert {frame.image.shape for frame in video.frames()} <= {(48, 64, 3)}
        assert video.damage


def test_name_of_a_file_is_not_a_url(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", EVEN[:2]).rename(tmp_path / "http:a.mp4")
    with VideoReader(Path("http:a.mp4")) as video:
        assert len(list(video.frames())) == 2


def test_an_unknown_codec_is_refused(tmp_path):
    video = write_video(tmp_path / "a.avi", EVEN, "mpeg4")
    video.write_bytes(video.read_bytes().replace(b"FMP4", b"QQZ7"))
    with pytest.raises(UnreadableVideo, match="without a known decoder"):
        VideoReader(video)


def test_a_missing_camera_is_refused():
    with pytest.raises(UnreadableVideo, match="camera 77 .*can't be opened"):
        CameraReader("77")
