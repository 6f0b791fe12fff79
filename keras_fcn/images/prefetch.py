"""Threads that compute ahead of the caller, in order and within bounds."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

# The thread that feeds the network waits at most this long for each of the threads
# that decode and encode; Python's own interval is ten times as long.
_SWITCH_SECONDS = 0.0005

Item = TypeVar("Item")
Output = TypeVar("Output")


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    """Provide threads for a block; calls that are still pending at its end are dropped.

    Args:
        count: number of threads.
    """
    executor, before = ThreadPoolExecutor(count), sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SWITCH_SECONDS))
    try:
        yield executor
    finally:
        sys.setswitchinterval(before)
        executor.shutdown(cancel_futures=True)


def ordered_map(
    executor: Executor,
    function: Callable[[Item], Output],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Output]:
    """Apply a function to items in threads, and yield the outputs in order.

    The items are taken in the caller's thread.

    Args:
        executor: the threads.
        function: applied to each item; its exceptions are raised to the consumer.
        items: consumed at most `ahead` items before the output that is yielded next.
        ahead: maximum number of items in work, at least 1.

    Yields:
        The outputs.
    """
    pending: deque[Future[Output]] = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        while pending and (len(pending) > ahead or pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def prefetch(executor: Executor, items: Iterable[Item], ahead: int) -> Iterator[Item]:
    """Take items in a thread before they are needed.

    Args:
        executor: a single thread, so that the order is kept.
        items: their exceptions are raised to the consumer.
        ahead: number of items that are taken before they are needed.

    Yields:
        The items.
    """
    iterator = iter(items)

    def take() -> list[Item]:  # empty at the end
        return list(islice(iterator, 1))

    pending = deque(executor.submit(take) for _ in range(ahead))
    while taken := pending.popleft().result():
        pending.append(executor.submit(take))
        yield from taken
