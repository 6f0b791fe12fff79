"""Stages of work that overlap: threads compute ahead, in order, within bounds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    """Give threads for a block; what has not begun when it ends is left undone.

    Args:
        count: how many.
    """
    executor = ThreadPoolExecutor(count)
    try:
        yield executor
    finally:
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
