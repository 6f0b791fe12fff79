"""Films and cameras, read frame by frame through FFmpeg (PyAV)."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from keras_fcn.errors import one_line

_USUAL_RATE = Fraction(25)  # frames a second, where a film does not say its own
_CAMERA_FORMATS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
# Pictures that FFmpeg makes a film of: text, and single images.
_NO_FILMS = ("tty", "image2", "_pipe")


class UnreadableVideo(ValueError):
    """A file that can't be decoded as a film; the message is one line."""


@dataclass(frozen=True)
class Clip:
    """Which frames of a film are taken.

    Attributes:
        start: seconds from its first frame on.
        end: seconds, not among them; None for its end.
        every: 1 for each frame, 2 for every second one ...
    """

    start: float = 0.0
    end: float | None = None
    every: int = 1


@dataclass(frozen=True)
class Frame:
    """A frame of a film.

    Attributes:
        index: its number in the film, from 0 on.
        time: seconds since the film's first frame.
        image: uint8 RGB `(height, width, 3)`, upright.
    """

    index: int
    time: Fraction
    image: np.ndarray


class VideoReader:
    """Reads the frames of a film; a context manager that closes it.

    Attributes:
        name: the film, for messages.
        rate: frames a second on the average, of the film itself.
        clip: which frames are taken.
        damage: once all frames are read, what was wrong with the file, on one line; ""
            as a rule.
    """

    def __init__(self, path: Path, clip: Clip = Clip()):  # noqa: B008 (frozen)
        """Open a film.

        Args:
            path: a file with a video stream of any codec that FFmpeg decodes.
            clip: which frames to take.

        Raises:
            UnreadableVideo: if there is no video stream in it, or no decoder for it.
            FileNotFoundError: if there is no such file.
        """
        if not path.exists():
            raise FileNotFoundError(f"There is no file {path}")
        self.path = path
        self._open(str(path), str(path), clip)

    def _open(self, name, source, clip, **options):
        self.name, self.clip, self.damage = name, clip, ""
        try:
            self._container = av.open(source, **options)
        except (av.FFmpegError, OSError) as error:
            raise UnreadableVideo(_why_not(name, error)) from error
        self._stream = _video_stream(self._container, name)
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = rate if rate and rate <= 1000 else _USUAL_RATE
        self._first_time = None  # of the first frame, as the file counts
        self._num_damaged = 0

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    @property
    def duration(self) -> float | None:
        """Seconds that the film lasts as its file says; None where it does not."""
        stream = self._stream
        if stream.duration:
            return float(stream.duration * stream.time_base)
        return self._container.duration and self._container.duration / av.time_base

    @property
    def num_frames(self) -> int | None:
        """How many frames will be taken, by the file's own account; None if unknown."""
        if self.duration is None:
            return None
        end = self.duration if self.clip.end is None else self.clip.end
        seconds = min(end, self.duration) - self.clip.start
        return max(0, round(seconds * float(self.rate) / self.clip.every))

    @property
    def origin(self) -> Fraction:
        """Time of the first frame as the file counts, seconds; once one is read."""
        return self._first_time or Fraction(0)

    @property
    def pixel_shape(self) -> Fraction | None:
        """Width of an upright pixel by its height; None where pixels are square."""
        shape = self._stream.sample_aspect_ratio
        if not shape or shape == 1:
            return None
        return shape if self._turn % 2 == 0 else 1 / shape

    def frames(self) -> Iterator[Frame]:
        """Decode the frames of the clip.

        What can't be decoded is left out; `damage` says so at the end.

        Yields:
            Frames in the order of their time, which is of any rate.
        """
        clip, num_taken, index, last = self.clip, 0, -1, None
        for index, time, decoded in self._numbered():
            if clip.end is not None and float(time) >= clip.end:
                return
            last = time
            if float(time) < clip.start:
                continue
            if num_taken % clip.every == 0:
                self._turn = round(decoded.rotation / 90)
                image = np.rot90(decoded.to_ndarray(format="rgb24"), self._turn)
                yield Frame(index, time, np.ascontiguousarray(image))
            num_taken += 1
        self._look_for_damage(index + 1, last)

    _turn = 0  # quarters, against the clock, that the frames have to be turned

    def _numbered(self):
        """Number, time and frame of all frames from about the clip's start on."""
        stream, offset = self._stream, 0
        if self.clip.start > 0:
            offset = self._seek()
        for index, decoded in enumerate(self._decoded(), offset):
            if decoded.pts is None:
                yield index, index / self.rate, decoded
                continue
            time = decoded.pts * (decoded.time_base or stream.time_base)
            if self._first_time is None:
                self._first_time = time
            yield index, time - self._first_time, decoded

    def _seek(self):
        """Go to a key frame before the clip; the number of frames before that.

        Where a format does not lead there, the film is decoded from its beginning.
        """
        stream = self._stream
        if stream.start_time is None:
            return 0  # a bare stream, which has no times to go to
        self._first_time = stream.start_time * stream.time_base
        wanted = round((self.clip.start + self._first_time) / stream.time_base)
        with av.open(str(self.path)) as trial:
            trial_stream = trial.streams[stream.index]
            try:
                trial.seek(wanted, stream=trial_stream)
                found = next(trial.decode(trial_stream))
            except (av.FFmpegError, StopIteration):
                return 0
        if found.pts is None or found.pts > wanted:
            return 0
        self._container.seek(wanted, stream=stream)
        return self._count_before(found.pts)

    def _count_before(self, pts):
        """Frames whose time is before one; packets are counted, which is quick."""
        count = 0
        with av.open(str(self.path)) as container:
            stream = container.streams[self._stream.index]
            for packet in container.demux(stream):
                if packet.dts is not None and packet.dts > pts:
                    break
                if packet.pts is not None and stream.start_time <= packet.pts < pts:
                    count += 1
        return count

    def _decoded(self):
        try:
            for packet in self._container.demux(self._stream):
                try:
                    for decoded in packet.decode():
                        self._num_damaged += decoded.is_corrupt
                        yield decoded
                except av.error.InvalidDataError:
                    self._num_damaged += 1
        except av.FFmpegError:  # no more packets can be found
            self._num_damaged += 1

    def _look_for_damage(self, count, last_time):
        """Say at the film's end whether there should have been more of it."""
        if last_time is None:
            self.damage = f"{self.name} has no frame that can be decoded"
        elif self._is_short(count, float(last_time)):
            whole = f"{self._stream.frames} frames"
            if self._counts_time:
                whole = f"{self.duration:.2f} s"
            self.damage = (
                f"{self.name} is cut off: it should have {whole}, and ends after "
                f"{count} frames at {float(last_time):.2f} s"
            )
        elif self._num_damaged:
            self.damage = (
                f"{self.name} is damaged: {self._num_damaged} of its frames could not "
                "be decoded, or not wholly"
            )

    @property
    def _counts_time(self):
        # In MP4 some frames may be there without being shown.
        return not self._stream.frames or "mp4" in self._container.format.name

    def _is_short(self, count, last_time):
        if not self._counts_time:
            return count < self._stream.frames
        # The duration of a container may be that of a longer sound.
        is_alone = self._stream.duration or len(self._container.streams) == 1
        slack = 0.1 if is_alone else 1.0
        missing = (self.duration or 0) - last_time - 2 / float(self.rate)
        return missing > slack


class CameraReader(VideoReader):
    """Reads the frames of a camera; where they come too fast, the driver drops some.

    Attributes:
        stem: what the names of its outputs begin with.
    """

    def __init__(self, camera: str, clip: Clip = Clip()):  # noqa: B008 (frozen)
        """Open a camera.

        Args:
            camera: its number, from 0 on; or a device such as `/dev/video2`.
            clip: which frames to take, in seconds from its start.

        Raises:
            UnreadableVideo: if there is no such camera, or it gives no pictures.
        """
        system = sys.platform
        if system not in _CAMERA_FORMATS:
            raise UnreadableVideo(f"Cameras can't be read on this system, {system}")
        kind, device = _CAMERA_FORMATS[system]
        source = device.format(camera) if camera.isdecimal() else camera
        self.path, self.stem = None, f"camera-{source.replace('/', '-').strip('-')}"
        self._open(f"camera {camera} ({source})", source, clip, format=kind)

    @property
    def duration(self) -> None:
        """None: a camera has no end."""
        return None

    def _seek(self):
        return 0


def _video_stream(container, name):
    """The video stream of an open file that is no cover picture."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams or any(part in container.format.name for part in _NO_FILMS):
        kinds = sorted({stream.type for stream in container.streams}) or ["nothing"]
        container.close()
        raise UnreadableVideo(
            f"{name} must have a video stream. Received: {', '.join(kinds)}"
        )
    if streams[0].codec_context is None:
        container.close()
        raise UnreadableVideo(f"{name} has a video stream that no decoder is known for")
    return streams[0]


def _why_not(name, error):
    reason = getattr(error, "strerror", None) or one_line(error)
    if isinstance(error, av.error.InvalidDataError | av.error.EOFError):
        reason += "; it is no film, or was cut off before its index"
    return f"{name} can't be opened ({reason})"
