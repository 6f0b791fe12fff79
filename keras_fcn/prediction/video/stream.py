"""Streams of cameras and servers, with reconnection."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import av

from keras_fcn.prediction.urls import shown_url
from keras_fcn.prediction.video.reader import Clip, Frame, VideoReader

logger = logging.getLogger(__name__)

# Without `file`: a playlist of a server names no files of this machine.
_PROTOCOLS = (
    "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtsp,rtsps,rtmp,rtmps,rtmpt,srt,mmsh,"
    "mmst,crypto"
)
_TIMEOUT = 10.0  # seconds, to connect and for the next packet
_DELAYS = (1, 2, 4, 8, 16)  # seconds before each attempt to reconnect

_Received = tuple[int, Fraction, av.VideoFrame]


class StreamReader(VideoReader):
    """Reads the frames of a URL.

    A live stream is decoded as it comes: frames that arrive while the network computes
    are dropped, except the last one. If the connection is lost, it is opened again, up
    to five times in a row. Videos with an end are read like files.
    """

    def __init__(
        self, url: str, clip: Clip = Clip(), delays: tuple[float, ...] = _DELAYS
    ):
        """Open a stream.

        Args:
            url: address of a stream or a video; its user name and password are not
                shown.
            clip: the frames to read; times are seconds after the start.
            delays: seconds before each attempt to reconnect.

        Raises:
            UnreadableVideo: if there is no stream of a known format.
        """
        self.path = None
        self._delays = delays
        self._loss = ""
        self._open(shown_url(url), partial(_connect, url), clip)

    def frames(self) -> Iterator[Frame]:
        """Decode the frames of the clip; `damage` is set at the end.

        Yields:
            Frames in order of their time.
        """
        if self.duration is not None:
            yield from super().frames()
            return
        latest: queue.Queue[_Received | None] = queue.Queue(maxsize=1)
        stop = threading.Event()
        thread = threading.Thread(
            target=self._receive, args=(latest, stop), daemon=True, name="stream"
        )
        thread.start()
        try:
            num_yielded = 0
            while (received := latest.get()) is not None:
                index, seconds, decoded = received
                yield Frame(index, seconds, self._upright(decoded))
                num_yielded += 1
                if num_yielded == self.clip.max_frames:
                    return  # the rest of the stream, or its loss, is not needed
            self.damage = self._loss
        finally:
            stop.set()
            thread.join()  # the container is closed afterwards

    def _receive(self, latest: queue.Queue[_Received | None], stop: threading.Event):
        """Put the last received frame into a queue, and None at the end."""
        try:
            num_taken = 0
            for index, seconds, decoded in self._numbered_live(stop):
                if self.clip.end is not None and float(seconds) >= self.clip.end:
                    break
                if float(seconds) < self.clip.start:
                    continue
                if num_taken % self.clip.every == 0:
                    with contextlib.suppress(queue.Empty):
                        latest.get_nowait()
                    latest.put((index, seconds, decoded))
                num_taken += 1
        finally:
            while not stop.is_set():
                with contextlib.suppress(queue.Full):
                    latest.put(None, timeout=0.1)
                    break

    def _numbered_live(self, stop: threading.Event) -> Iterator[_Received]:
        """Number, seconds since the start, and frame, over all connections."""
        begun, index, attempt = time.monotonic(), -1, 0
        seconds = Fraction(0)
        while True:
            first: Fraction | None = None
            offset = Fraction(0)
            for decoded in self._decode():
                if stop.is_set():
                    return
                index, attempt = index + 1, 0
                elapsed = Fraction(time.monotonic() - begun).limit_denominator(1000)
                if decoded.pts is None or decoded.time_base is None:
                    seconds = elapsed
                else:
                    pts = decoded.pts * decoded.time_base
                    if first is None:  # each connection has its own clock
                        later = max(elapsed, seconds + 1 / self.rate)
                        first, offset = pts, later if index else Fraction(0)
                    seconds = pts - first + offset
                yield index, seconds, decoded
            while True:
                if attempt == len(self._delays):
                    self._loss = (
                        f"{self.name}: the connection was lost after {index + 1} "
                        f"frames, and {attempt} attempts to reconnect failed"
                    )
                    return
                delay, attempt = self._delays[attempt], attempt + 1
                logger.warning(
                    "%s: the connection was lost; reconnecting in %g s (%d of %d)",
                    *(self.name, delay, attempt, len(self._delays)),
                )
                if stop.wait(delay):
                    return
                with contextlib.suppress(av.FFmpegError, OSError):
                    container = self._reopen()
                    if container.streams.video:
                        self._container.close()
                        self._container = container
                        self._stream = container.streams.video[0]
                        self._stream.thread_type = "AUTO"
                        break
                    container.close()


def _connect(url):
    # TCP: over UDP, routers drop packets of RTSP. Servers of HTTP may cut a video off.
    options = {"protocol_whitelist": _PROTOCOLS}
    if url.lower().startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return av.open(url, options=options, timeout=_TIMEOUT, metadata_errors="replace")
