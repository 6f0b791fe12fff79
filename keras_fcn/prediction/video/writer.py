"""Videos written through FFmpeg (PyAV): overlays that browsers play, and label maps."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from keras_fcn.prediction.video.reader import open_video_file
from keras_fcn.typing import Size

_TICK = Fraction(1, 90_000)  # seconds; the periods of all usual rates are multiples
_QUALITY = {"crf": "20", "preset": "veryfast"}  # of x264
_COMMENT = "keras-fcn"  # marks the videos, as `images.encoding.marked` does images
_BT709 = 1  # FFmpeg's number for it, as color space, primaries and curve
_LIMITED = 1  # FFmpeg's number for the value range of television
# Codecs that browsers play in MP4; audio of other codecs is encoded as AAC.
_COPIED_AUDIO = ("aac", "mp3", "opus", "flac", "alac")


def is_written_video(path: Path) -> bool:
    """Return whether a video was written by this module.

    Args:
        path: the file.
    """
    try:
        with open_video_file(path) as container:
            return _COMMENT in container.metadata.values()
    except (av.FFmpegError, OSError):
        return False


class _Writer:
    """A file with one video stream."""

    def __init__(self, path, format, codec, rate, size, pixel_format, quality=None):
        # The index at the beginning: browsers play before the download is complete.
        options = {"movflags": "+faststart"} if format == "mp4" else {}
        self._container = av.open(str(path), "w", format=format, options=options)
        self._container.metadata["comment"] = _COMMENT
        self._stream = self._container.add_stream(codec, rate=rate, options=quality)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = pixel_format
        self._stream.codec_context.time_base = _TICK
        self._period = max(1, round(1 / rate / _TICK))  # ticks between two frames
        self._first_time: Fraction | None = None
        self._ticks = -1  # from the first frame to the last

    def _add(self, frame: av.VideoFrame, time: Fraction) -> None:
        if self._first_time is None:
            self._first_time = time
        # Times have to increase, also where rounding makes two of them equal.
        self._ticks = max(round((time - self._first_time) / _TICK), self._ticks + 1)
        frame.pts, frame.time_base = self._ticks, _TICK
        frame.duration = self._period
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Complete the file; without this it cannot be played."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


class VideoWriter(_Writer):
    """Writes RGB frames as H.264 in MP4, with audio from another video."""

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        size: Size,
        pixel_aspect: Fraction | None = None,
        audio: "AudioCopy | None" = None,
    ):
        """Open a file.

        Args:
            path: the file, which ends in `.mp4`.
            rate: average number of frames per second.
            size: height and width of the frames; an odd one is made even by repeating
                the last row or column, as H.264 requires.
            pixel_aspect: width of a pixel divided by its height; None for square ones.
            audio: the audio to copy; None for a silent video.
        """
        self._size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
        super().__init__(
            path, "mp4", "libx264", rate, self._size, "yuv420p", dict(_QUALITY)
        )
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if pixel_aspect:
            context.sample_aspect_ratio = pixel_aspect
        self._audio = audio
        if audio:
            audio.begin(self._container)

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """Add a frame.

        Args:
            image: uint8 RGB `(height, width, 3)`; of another size it is resized.
            time: seconds since the first frame, more than before.
        """
        height, width = self._size
        missing = height - image.shape[0], width - image.shape[1]
        if max(missing) > 1 or min(missing) < 0:
            image = cv2.resize(image, (width, height))
        elif any(missing):
            image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=av.video.reformatter.Colorspace.ITU709,
            dst_color_range=av.video.reformatter.ColorRange.MPEG,
        )
        self._add(frame, time)
        if self._audio:
            self._audio.copy_until(float(self._ticks * _TICK))

    def close(self) -> None:
        """Complete the file; without this it cannot be played."""
        self._container.mux(self._stream.encode(None))
        if self._audio:
            self._audio.copy_until(float((self._ticks + self._period) * _TICK))
            self._audio.close()
        self._container.close()


class LabelVideoWriter(_Writer):
    """Writes label maps as a lossless gray video, FFV1 in Matroska."""

    def __init__(self, path: Path, rate: Fraction, size: Size):
        """Open a file.

        Args:
            path: the file, which ends in `.mkv`.
            rate: average number of frames per second.
            size: height and width of the label maps.
        """
        super().__init__(path, "matroska", "ffv1", rate, size, "gray")

    def write(self, label_map: np.ndarray, time: Fraction) -> None:
        """Add a label map.

        Args:
            label_map: uint8 `(height, width)`; the gray values are the ids.
            time: seconds since the first frame, more than before.
        """
        self._add(av.VideoFrame.from_ndarray(label_map, format="gray"), time)


class AudioCopy:
    """Copies the audio of a clip into another video, packet by packet."""

    def __init__(self, path: Path, begin: Fraction, end: float | None):
        """Open the audio of a video.

        Args:
            path: the video.
            begin: time of the clip's first frame in file time, seconds.
            end: time of the clip's end in file time, seconds; None for the video's.
        """
        self._source = open_video_file(path)
        self._begin, self._end = float(begin), end
        self._packets: Iterator[tuple[float, av.Packet]] = iter(())
        self._waiting: tuple[float, av.Packet] | None = None

    def begin(self, target: av.container.OutputContainer) -> None:
        """Add an audio stream to a video, if the source has audio with a decoder.

        Args:
            target: the video, to which nothing has been written yet.
        """
        stream = next(iter(self._source.streams.audio), None)
        if stream is None or stream.codec_context is None:
            return
        self._target = target
        if stream.codec_context.name in _COPIED_AUDIO:
            self._stream = target.add_stream_from_template(stream)
            self._packets = self._copy(stream)
        else:
            self._stream = target.add_stream("aac", rate=stream.rate)
            self._stream.layout = "stereo" if stream.channels > 1 else "mono"
            self._packets = self._encode(stream)

    def copy_until(self, time: float) -> None:
        """Write the audio up to a time.

        Args:
            time: seconds since the clip's beginning.
        """
        while True:
            self._waiting = self._waiting or next(self._packets, None)
            if self._waiting is None or self._waiting[0] > time:
                return
            self._target.mux(self._waiting[1])
            self._waiting = None

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _copy(self, stream) -> Iterator[tuple[float, av.Packet]]:
        """Packets with their time, seconds since the clip's beginning."""
        for packet in _until_damage(self._source.demux(stream)):
            if packet.pts is None or packet.size == 0:
                continue
            time = float(packet.pts * packet.time_base)
            if self._end is not None and time >= self._end:
                return
            if time < self._begin:
                continue
            packet.stream = self._stream
            yield _shift(packet, -self._begin)

    def _encode(self, stream) -> Iterator[tuple[float, av.Packet]]:
        """The same for packets that are encoded as AAC."""
        resampler = av.AudioResampler("fltp", self._stream.layout, self._stream.rate)
        first, num_samples = None, 0
        for frame in _until_damage(self._source.decode(stream)):
            time = float(frame.time or 0)
            if self._end is not None and time >= self._end:
                break
            if time < self._begin:
                continue
            first = time - self._begin if first is None else first
            for part in resampler.resample(frame):
                # Gaps between frames are not kept.
                part.pts, part.time_base = num_samples, Fraction(1, part.sample_rate)
                num_samples += part.samples
                for packet in self._stream.encode(part):
                    yield _shift(packet, first)
        for packet in self._stream.encode(None):
            yield _shift(packet, first or 0.0)


def _shift(packet, seconds):
    """Move a packet in time; return its new time, seconds, and the packet."""
    packet.pts += round(seconds / packet.time_base)
    packet.dts = packet.pts
    return float(packet.pts * packet.time_base), packet


def _until_damage(parts):
    """Yield what precedes the first part that cannot be read."""
    try:
        yield from parts
    except av.FFmpegError:
        return
