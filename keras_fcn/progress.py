"""Progress of long operations on standard error, by tqdm."""

import logging
import sys
from collections.abc import Iterable, Sized
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)

_COUNT = "{desc}: {n_fmt}/{total_fmt}{unit}"
_TIMES = "{rate_noinv_fmt}, {remaining} left{postfix}"
_WITHOUT_TOTAL = "{desc}: {n_fmt}{unit}, {rate_noinv_fmt}{postfix}"


class Progress(tqdm):
    """A bar on a terminal; elsewhere a log line now and then.

    It is used as tqdm is: around an iterable, or by `update(count)` and `close()`, or
    as a context manager. `set_postfix_str(text)` adds text at the end of the line.

    Args:
        iterable: yields the items that are counted, or None.
        description: what is done, such as "Predicting".
        total: number of items; `len(iterable)` when None, where it has one.
        unit: what is counted, in the plural.
        seconds: time between two lines where standard error is no terminal.
        leave: keep the finished bar on the terminal.
        initial: number of items that were done before.
    """

    monitor_interval = 0  # no thread of tqdm, which would only lower `miniters`

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        *,
        description: str,
        total: int | None = None,
        unit: str = "images",
        seconds: float = 10.0,
        leave: bool = False,
        initial: int = 0,
    ):
        self._is_terminal = sys.stderr.isatty()
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        line = f"{_COUNT}, {_TIMES}" if total else _WITHOUT_TOTAL
        if self._is_terminal and total:
            line = f"{_COUNT} |{{bar}}| {_TIMES}"
        super().__init__(
            iterable,
            desc=description,
            total=total,
            unit=f" {unit}",
            file=sys.stderr,
            mininterval=0.2 if self._is_terminal else seconds,
            miniters=1,
            # Above 0, so that nothing is printed before the first item.
            delay=1e-9 if self._is_terminal else seconds,
            dynamic_ncols=True,
            bar_format=line,
            leave=leave,
            initial=initial,
        )

    @property
    def rate(self) -> float:
        """Items per second since the beginning."""
        seconds = self.format_dict["elapsed"]
        return (self.n - self.initial) / seconds if seconds else 0.0

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar, or log a line; called by tqdm when one is due."""
        if self._is_terminal:
            super().display(msg, pos)
        else:
            logger.info("%s", str(self))

    def close(self) -> None:
        """End the bar; nothing more is printed where there is no terminal."""
        if not self._is_terminal:
            self.disable = True
        super().close()
