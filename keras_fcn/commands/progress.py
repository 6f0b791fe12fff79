"""How far a film or a great number of images is, on standard error."""

import logging
import sys
import time

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN = {True: 0.2, False: 10.0}  # two reports, on a terminal or elsewhere


class Progress:
    """Tells how many, how many a second and the time that is left.

    On a terminal one line is written over and over; elsewhere a line now and then.
    """

    def __init__(self, name: str, total: int | None, unit: str = "frames"):
        """Begin.

        Args:
            name: what it is.
            total: how many there will be; None where that is not known.
            unit: what is counted.
        """
        self._name, self._total, self._unit = name, total, unit
        self._is_terminal = sys.stderr.isatty()
        self._begun = self._reported = time.perf_counter()
        self.count = 0

    @property
    def rate(self) -> float:
        """How many a second since the beginning."""
        return self.count / max(time.perf_counter() - self._begun, 1e-9)

    def add(self, count: int = 1) -> None:
        """Count some, and report where it is time to.

        Args:
            count: how many more there are.
        """
        self.count += count
        now = time.perf_counter()
        if now - self._reported >= _SECONDS_BETWEEN[self._is_terminal]:
            self._reported = now
            self._report()

    def end(self) -> None:
        """Leave the line of a terminal."""
        if self._is_terminal and self._reported != self._begun:
            print(file=sys.stderr)

    def describe(self, is_done: bool = False) -> str:
        """Return the line, as in `film.mp4: 37/120 frames, 3.81 frames/s, 0:22 left`.

        Args:
            is_done: leave out how many there will be.
        """
        of, left, unit = "", "", self._unit
        if self._total and not is_done:
            of = f"/{self._total}"
            if self.count:
                seconds = max(0, self._total - self.count) / self.rate
                left = f", {_clock(seconds)} left"
        rate = f"{self.rate:.1f}" if self.rate >= 10 else f"{self.rate:.2f}"
        return f"{self._name}: {self.count}{of} {unit}, {rate} {unit}/s{left}"

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
