"""Stages of work that overlap: threads compute ahead, in order, within bounds."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_SECONDS_OF_A_THREAD = 0.0005  # Python's own is ten times as long

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    """Give threads for a block; what has not begun when it ends is left undone.

    In the block Python goes from thread to thread more often, so that the one that
    feeds the network does not wait for those that draw: at most 0.5 ms for each.

    Args:
        count: how many.
    """
    executor, before = ThreadPoolExecutor(count), sys.getswitchinterval()
    sys.setswitchinterval(min(before, _SECONDS_OF_A_THREAD))
    try:
        yield executor
    finally:
        sys.setswitchinterval(before)
        executor.shutdown(cancel_futures=True)


def overlapped(
    executor: Executor,
    function: Callable[[Item], Outcome],
    items: Iterable[Item],
    ahead: int,
) -> Iterator[Outcome]:
    """Apply a function to items in threads, and yield what it gives in their order.

    The items are taken in the caller's thread.

    Args:
        executor: the threads.
        function: of an item; what it raises is raised where its outcome is taken.
        items: taken as they are needed, never more than `ahead` before the outcome that
            is yielded next.
        ahead: bound on the items in work, from 1 on.

    Yields:
        The outcomes.
    """
    pending = deque()
    for item in items:
        pending.append(executor.submit(function, item))
        while pending and (len(pending) > ahead or pending[0].done()):
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def read_ahead(executor: Executor, items: Iterable[Item], ahead: int) -> Iterator[Item]:
    """Take items in a thread before they are needed.

    Args:
        executor: a single thread, which keeps their order.
        items: what an iteration raises is raised in its place.
        ahead: how many are taken before they are needed.

    Yields:
        The items.
    """
    items, end = iter(items), object()
    pending = deque(executor.submit(next, items, end) for _ in range(ahead))
    while (item := pending.popleft().result()) is not end:
        pending.append(executor.submit(next, items, end))
        yield item
