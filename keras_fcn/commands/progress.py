"""How far a film is, on standard error."""

import logging
import sys
import time

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN = {True: 0.2, False: 10.0}  # two reports, on a terminal or elsewhere


class FilmProgress:
    """Tells frames, frames a second and the time that is left.

    On a terminal one line is written over and over; elsewhere a line now and then.
    """

    def __init__(self, name: str, num_frames: int | None):
        """Begin.

        Args:
            name: the film.
            num_frames: how many there will be; None where that is not known.
        """
        self._name, self._num_frames = name, num_frames
        self._is_terminal = sys.stderr.isatty()
        self._begun = self._reported = time.perf_counter()
        self.count = 0

    @property
    def rate(self) -> float:
        """Frames a second since the beginning."""
        return self.count / max(time.perf_counter() - self._begun, 1e-9)

    def add(self) -> None:
        """Count a frame, and report where it is time to."""
        self.count += 1
        now = time.perf_counter()
        if now - self._reported >= _SECONDS_BETWEEN[self._is_terminal]:
            self._reported = now
            self._report()

    def end(self) -> None:
        """Leave the line of a terminal."""
        if self._is_terminal and self._reported != self._begun:
            print(file=sys.stderr)

    def describe(self, is_done: bool = False) -> str:
        """Return the line, as in `film.mp4: 37/120 frames, 3.8 frames/s, 0:22 left`.

        Args:
            is_done: leave out how many there will be.
        """
        of, left = "", ""
        if self._num_frames and not is_done:
            of = f"/{self._num_frames}"
            seconds = max(0, self._num_frames - self.count) / self.rate
            left = f", {_clock(seconds)} left"
        return f"{self._name}: {self.count}{of} frames, {self.rate:.1f} frames/s{left}"

    def _report(self):
        if self._is_terminal:
            print(f"\r{self.describe()}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            logger.info("%s", self.describe())


def _clock(seconds):
    """Seconds as 0:22, 12:05 or 1:00:09."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds:02}"
    return f"{minutes}:{seconds:02}"
