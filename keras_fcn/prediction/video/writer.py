"""Films written through FFmpeg (PyAV): overlays that browsers play, label maps."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_TICK = Fraction(1, 90_000)  # seconds; a multiple of all usual rates
_QUALITY = {"crf": "20", "preset": "veryfast"}  # of x264
_BT709 = 1  # FFmpeg's number for it, as colour space, primaries and curve
_LIMITED = 1  # and for the range of values of television
# What browsers play in MP4; other sounds become AAC.
_COPIED_SOUND = ("aac", "mp3", "opus", "flac", "alac")


class VideoWriter:
    """Writes RGB frames as H.264 in MP4, with the sound of the film they are from."""

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        size: tuple[int, int],
        pixel_shape: Fraction | None = None,
        sound: "Sound | None" = None,
    ):
        """Begin a film.

        Args:
            path: the file, which ends in `.mp4`.
            rate: frames a second on the average.
            size: height and width of the frames; an odd one is made even by a row or a
                column that repeats the last.
            pixel_shape: width of a pixel by its height; None where they are square.
            sound: goes into the film; None for a silent one.
        """
        self._size = tuple(length + length % 2 for length in size)
        self._container = av.open(
            str(path), "w", format="mp4", options={"movflags": "+faststart"}
        )
        self._stream = _add_video(
            self._container, "libx264", rate, self._size, "yuv420p", _QUALITY
        )
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if pixel_shape:
            context.sample_aspect_ratio = pixel_shape
        self._clock = _Clock(rate)
        self._sound = sound
        if sound:
            sound.begin(self._container)

    def write(self, picture: np.ndarray, time: Fraction) -> None:
        """Add a frame.

        Args:
            picture: uint8 RGB `(height, width, 3)`; of another size it is resized.
            time: seconds since the first frame, more than before.
        """
        frame = av.VideoFrame.from_ndarray(self._fit(picture), format="rgb24")
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=av.video.reformatter.Colorspace.ITU709,
            dst_color_range=av.video.reformatter.ColorRange.MPEG,
        )
        self._clock.stamp(frame, time)
        self._container.mux(self._stream.encode(frame))
        if self._sound:
            self._sound.copy_until(self._clock.now)

    def close(self) -> None:
        """End the film; without this it can't be played."""
        self._container.mux(self._stream.encode(None))
        if self._sound:
            self._sound.finish(self._clock.end)
        self._container.close()

    def _fit(self, picture):
        height, width = self._size
        missing = height - picture.shape[0], width - picture.shape[1]
        if missing == (0, 0):
            return picture
        if max(missing) <= 1 and min(missing) >= 0:
            return np.pad(picture, (*((0, more) for more in missing), (0, 0)), "edge")
        return cv2.resize(picture, (width, height))


class LabelVideoWriter:
    """Writes label maps as a grey film without loss, FFV1 in Matroska."""

    def __init__(self, path: Path, rate: Fraction, size: tuple[int, int]):
        """Begin a film.

        Args:
            path: the file, which ends in `.mkv`.
            rate: frames a second on the average.
            size: height and width of the label maps.
        """
        self._container = av.open(str(path), "w", format="matroska")
        self._stream = _add_video(self._container, "ffv1", rate, size, "gray", {})
        self._clock = _Clock(rate)

    def write(self, label_map: np.ndarray, time: Fraction) -> None:
        """Add a label map.

        Args:
            label_map: uint8 `(height, width)`: the grey values are the ids.
            time: seconds since the first frame, more than before.
        """
        frame = av.VideoFrame.from_ndarray(label_map, format="gray")
        self._clock.stamp(frame, time)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """End the film."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class Sound:
    """The sound of a clip on its way into another film."""

    def __init__(self, path: Path, begin: Fraction, end: float | None):
        """Open the sound of a film.

        Args:
            path: the film.
            begin: time of the clip's first frame, seconds as the film's file counts.
            end: time of the clip's end; None for the film's.
        """
        self._source = av.open(str(path))
        self._begin, self._end = float(begin), end
        self._waiting = None

    @property
    def is_there(self) -> bool:
        """Whether the film has a sound that can be decoded."""
        audio = self._source.streams.audio
        return bool(audio) and audio[0].codec_context is not None

    def begin(self, target: av.container.OutputContainer) -> None:
        """Add the sound's stream to a film.

        Args:
            target: the film, to which nothing has been written yet.
        """
        self._target, stream = target, self._source.streams.audio[0]
        if stream.codec_context.name in _COPIED_SOUND:
            self._stream = target.add_stream_from_template(stream)
            self._packets = self._copied(stream)
        else:
            self._stream = target.add_stream("aac", rate=stream.rate)
            self._stream.layout = "stereo" if stream.channels > 1 else "mono"
            self._packets = self._encoded(stream)

    def copy_until(self, time: float) -> None:
        """Write the sound up to a time.

        Args:
            time: seconds since the clip's beginning.
        """
        while self._waiting is not None or self._take():
            if self._waiting[0] > time:
                return
            self._target.mux(self._waiting[1])
            self._waiting = None

    def finish(self, time: float) -> None:
        """Write what is left and close the source.

        Args:
            time: seconds that the film lasts.
        """
        self.copy_until(time)
        self._source.close()

    def _take(self):
        self._waiting = next(self._packets, None)
        return self._waiting is not None

    def _copied(self, stream):
        """Time, seconds since the clip's beginning, and packet."""
        for packet in self._damage_skipped(self._source.demux(stream)):
            if packet.pts is None or packet.size == 0:
                continue
            time = float(packet.pts * packet.time_base)
            if self._end is not None and time >= self._end:
                return
            if time < self._begin:
                continue
            shift = round(self._begin / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._stream
            yield time - self._begin, packet

    def _encoded(self, stream):
        """The same, of packets that are encoded anew."""
        resampler = av.AudioResampler("fltp", self._stream.layout, self._stream.rate)
        first, num_samples = None, 0
        for frame in self._damage_skipped(self._source.decode(stream)):
            time = float(frame.time or 0)
            if self._end is not None and time >= self._end:
                break
            if time < self._begin:
                continue
            first = time - self._begin if first is None else first
            for part in resampler.resample(frame):
                # One follows the other; gaps are not kept.
                part.pts, part.time_base = num_samples, Fraction(1, part.sample_rate)
                num_samples += part.samples
                for packet in self._stream.encode(part):
                    yield self._late(packet, first)
        for packet in self._stream.encode(None):
            yield self._late(packet, first or 0.0)

    def _late(self, packet, seconds):
        shift = round(seconds / packet.time_base)
        packet.pts += shift
        packet.dts = packet.pts
        return float(packet.pts * packet.time_base), packet

    @staticmethod
    def _damage_skipped(parts):
        """What comes before the first part that can't be read."""
        try:
            yield from parts
        except av.FFmpegError:
            return


class _Clock:
    """Gives frames their time in ticks, always later than the one before."""

    def __init__(self, rate):
        self._period = max(1, round(1 / rate / _TICK))
        self._last = -1
        self._first = None

    @property
    def end(self):
        """Seconds from the first frame to the end of the last."""
        return float((self._last + self._period) * _TICK)

    @property
    def now(self):
        """Seconds from the first frame to the beginning of the last."""
        return float(self._last * _TICK)

    def stamp(self, frame, time):
        self._first = time if self._first is None else self._first
        ticks = max(round((time - self._first) / _TICK), self._last + 1)
        frame.pts, frame.time_base, frame.duration = ticks, _TICK, self._period
        self._last = ticks


def _add_video(container, codec, rate, size, pixel_format, options):
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.height, stream.width = size
    stream.pix_fmt = pixel_format
    stream.codec_context.time_base = _TICK
    return stream
