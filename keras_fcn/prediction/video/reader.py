"""Videos and cameras, read frame by frame through FFmpeg (PyAV)."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from keras_fcn.config import MAX_IMAGE_PIXELS
from keras_fcn.errors import one_line

_USUAL_RATE = Fraction(25)  # frames per second, if a file does not contain its rate
_CAMERA_FORMATS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
# FFmpeg also opens text, images, and playlists (HLS, concat), which name other files
# and URLs. These containers, found by content, hold their own frames.
_DEMUXERS = (
    "matroska", "mov", "avi", "mpeg", "mpegts", "mpegvideo", "m4v", "h264", "hevc",
    "av1", "obu", "ivf", "mjpeg", "asf", "flv", "ogg", "mxf", "yuv4mpegpipe", "dv",
)  # fmt: skip
# `ArgumentError`: a format that is not on the list.
_NO_VIDEO = (av.error.InvalidDataError, av.error.EOFError, av.error.ArgumentError)


class UnreadableVideo(ValueError):
    """A file that cannot be decoded as a video; the message is one line."""


def open_video_file(path: Path) -> Any:
    """Open a video file without access to any other file or host.

    Args:
        path: the file; its content determines the format, not its name.

    Raises:
        av.FFmpegError: if it has none of the supported formats, or is damaged.
        OSError: if it can't be read.
    """
    limits = {"format_whitelist": ",".join(_DEMUXERS), "protocol_whitelist": "file"}
    # With the prefix, a name such as `http:a.mp4` is a file too.
    # Titles of old files are not UTF-8.
    return av.open(f"file:{path}", options=limits, metadata_errors="replace")


@dataclass(frozen=True)
class Clip:
    """The frames of a video that are read.

    Attributes:
        start: seconds after its first frame.
        end: seconds after its first frame, exclusive; None for the video's end.
        every: 1 for each frame, 2 for every second one, and so on.
        max_frames: number of frames after which to stop; None for no limit.
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1
    max_frames: int | None = None


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        index: its number in the video, from 0.
        time: seconds since the video's first frame.
        image: uint8 RGB `(height, width, 3)`, upright.
    """

    index: int
    time: Fraction
    image: np.ndarray


class VideoReader:
    """Reads the frames of a video; a context manager that closes it.

    Attributes:
        path: the file; None for a camera or a stream.
        name: the video's name in messages.
        rate: average number of frames per second of the whole video.
        clip: the frames that are read.
        damage: once all frames are read, the damage of the file, on one line; "" if
            there is none.
    """

    def __init__(
        self, path: Path, clip: Clip = Clip(), max_pixels: int = MAX_IMAGE_PIXELS
    ):
        """Open a video.

        Args:
            path: a file with a video stream of any codec that FFmpeg decodes.
            clip: the frames to read.
            max_pixels: the largest accepted number of pixels of a frame.

        Raises:
            UnreadableVideo: if it has no video stream, there is no decoder for it, or
                its frames are too large.
            FileNotFoundError: if the file is missing.
        """
        if not path.exists():
            raise FileNotFoundError(f"There is no file '{path}'")
        self.path: Path | None = path
        self._open(str(path), partial(open_video_file, path), clip, max_pixels)

    def _open(
        self,
        name: str,
        opened: Callable[[], Any],
        clip: Clip,
        max_pixels: int = MAX_IMAGE_PIXELS,
    ) -> None:
        self.name, self.clip, self.damage, self._reopen = name, clip, "", opened
        try:
            self._container = opened()
        except (av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or one_line(error)
            if isinstance(error, _NO_VIDEO):
                reason += "; it is not a video, or was cut off before its index"
            raise UnreadableVideo(f"{name} can't be opened ({reason})") from error
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & av.stream.Disposition.attached_pic  # a cover
        ]
        problem = ""
        if not streams:
            kinds = sorted({stream.type for stream in self._container.streams})
            received = ", ".join(kinds) or "nothing"
            problem = f"must have a video stream. Received: {received}"
        elif streams[0].codec_context is None:
            problem = "has a video stream without a known decoder"
        elif streams[0].width * streams[0].height > max_pixels:
            problem = (
                f"must have frames of at most {max_pixels} pixels, `max_pixels`. "
                f"Received: {streams[0].width}x{streams[0].height}"
            )
        if problem:
            self._container.close()
            raise UnreadableVideo(f"{name} {problem}")
        # Any: in PyAV's types, a stream's time base is optional.
        self._stream: Any = streams[0]
        self._stream.thread_type = "AUTO"
        # Frames may be larger than the first one: the decoder refuses them.
        self._stream.codec_context.options = {"max_pixels": str(max_pixels)}
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = rate if rate and rate <= 1000 else _USUAL_RATE
        self._first_time: Fraction | None = None  # of the first frame, in file time
        self._num_damaged = 0
        self._turns = 0  # quarter turns, anticlockwise, that make the frames upright

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *error: object) -> None:
        self._container.close()

    @property
    def duration(self) -> float | None:
        """Seconds, as the file states; None if it does not."""
        stream = self._stream
        if stream.duration:
            return float(stream.duration * stream.time_base)
        return self._container.duration and self._container.duration / av.time_base

    @property
    def num_pixels(self) -> int:
        """Number of pixels of a frame, at least 1."""
        return max(1, self._stream.width * self._stream.height)

    @property
    def num_frames(self) -> int | None:
        """Number of frames that will be read, from the duration; None if unknown."""
        if self.duration is None:
            return None
        end = self.duration if self.clip.end is None else self.clip.end
        seconds = min(end, self.duration) - self.clip.start
        count = max(0, round(seconds * float(self.rate) / self.clip.every))
        return min(count, self.clip.max_frames or count)

    @property
    def origin(self) -> Fraction:
        """Time of the first frame in file time, seconds; known once one is read."""
        return self._first_time or Fraction(0)

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width of an upright pixel divided by its height; None for square pixels."""
        aspect = self._stream.sample_aspect_ratio
        if not aspect or aspect == 1:
            return None
        return aspect if self._turns % 2 == 0 else 1 / aspect

    def frames(self) -> Iterator[Frame]:
        """Decode the frames of the clip.

        Frames that cannot be decoded are skipped; `damage` is set at the end.

        Yields:
            Frames in order of their time, at any rate.
        """
        clip, num_taken, index, last = self.clip, 0, -1, None
        for index, time, decoded in self._numbered():
            if clip.end is not None and float(time) >= clip.end:
                return
            last = time
            if float(time) < clip.start:
                continue
            if num_taken % clip.every == 0:
                yield Frame(index, time, self._upright(decoded))
                if num_taken // clip.every + 1 == clip.max_frames:
                    return
            num_taken += 1
        self._check_damage(index + 1, last)

    def _upright(self, decoded: av.VideoFrame) -> np.ndarray:
        """A frame as uint8 RGB `(height, width, 3)`."""
        self._turns = round(decoded.rotation / 90)
        image = np.rot90(decoded.to_ndarray(format="rgb24"), self._turns)
        return np.ascontiguousarray(image)

    def _numbered(self) -> Iterator[tuple[int, Fraction, av.VideoFrame]]:
        """Number, time and frame, of all frames from the clip's start or before it."""
        offset = self._seek() if self.clip.start > 0 else 0
        for index, decoded in enumerate(self._decode(), offset):
            if decoded.pts is None:
                yield index, index / self.rate, decoded
                continue
            time = decoded.pts * (decoded.time_base or self._stream.time_base)
            if self._first_time is None:
                self._first_time = time
            yield index, time - self._first_time, decoded

    def _seek(self) -> int:
        """Move to a key frame before the clip; return the number of frames before it.

        If a format does not support that, the video is decoded from its beginning.
        """
        stream = self._stream
        if stream.start_time is None or self.path is None:
            return 0  # a raw stream, which has no times, or a live one
        self._first_time = stream.start_time * stream.time_base
        target = round((self.clip.start + self._first_time) / stream.time_base)
        # In a second container: a failed seek leaves the first one as it was opened.
        with self._reopen() as trial:
            trial_stream = trial.streams[stream.index]
            try:
                trial.seek(target, stream=trial_stream)
                found = next(trial.decode(trial_stream))
            except (av.FFmpegError, StopIteration):
                return 0
        if found.pts is None or found.pts > target:
            return 0
        self._container.seek(target, stream=stream)
        # Packets are counted without being decoded, which is fast.
        count = 0
        with self._reopen() as container:
            for packet in container.demux(container.streams[stream.index]):
                if packet.dts is not None and packet.dts > found.pts:
                    break
                if packet.pts is not None:
                    count += stream.start_time <= packet.pts < found.pts
        return count

    def _decode(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                try:
                    for decoded in packet.decode():
                        self._num_damaged += decoded.is_corrupt
                        yield decoded
                except av.error.InvalidDataError:
                    self._num_damaged += 1
        except av.FFmpegError:  # no further packets can be found
            self._num_damaged += 1

    def _check_damage(self, count: int, last_time: Fraction | None) -> None:
        """Set `damage` after all frames have been read."""
        if last_time is None:
            self.damage = f"{self.name} has no frame that can be decoded"
            return
        seconds, num_frames = float(last_time), self._stream.frames
        # In MP4 the number of frames includes some that are not shown.
        if num_frames and "mp4" not in self._container.format.name:
            expected, is_short = f"{num_frames} frames", count < num_frames
        else:
            duration = self.duration or 0.0
            # The duration of a container may be that of longer audio.
            has_own = self._stream.duration or len(self._container.streams) == 1
            slack = 2 / float(self.rate) + (0.1 if has_own else 1.0)
            expected, is_short = f"{duration:.2f} s", duration - seconds > slack
        if is_short:
            self.damage = (
                f"{self.name} is cut off: expected {expected}, got {count} frames "
                f"until {seconds:.2f} s"
            )
        elif self._num_damaged:
            self.damage = (
                f"{self.name} is damaged: {self._num_damaged} of its frames could not "
                "be decoded, or not completely"
            )


class CameraReader(VideoReader):
    """Reads the frames of a camera; the driver drops frames that come too fast."""

    def __init__(self, camera: str, clip: Clip = Clip()):
        """Open a camera.

        Args:
            camera: its number, from 0; or a device such as `/dev/video2`.
            clip: the frames to read; times are seconds after the start.

        Raises:
            UnreadableVideo: if there is no such camera, or it delivers no images.
        """
        system = sys.platform
        if system not in _CAMERA_FORMATS:
            raise UnreadableVideo(f"Cameras can't be read on this system, {system}")
        kind, device = _CAMERA_FORMATS[system]
        source = device.format(camera) if camera.isdecimal() else camera
        self.path = None
        opened = partial(av.open, source, format=kind)
        self._open(f"camera {camera} ({source})", opened, clip)

    @property
    def duration(self) -> None:
        """None: a camera has no end."""
        return None
