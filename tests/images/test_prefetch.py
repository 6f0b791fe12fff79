"""Threads that compute ahead of the caller."""

import sys
from threading import Event, Timer

import pytest

from keras_fcn.images.prefetch import ordered_map, prefetch, threads


def test_threads_are_switched_more_often_inside_the_block_only():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    try:
        with pytest.raises(ZeroDivisionError), threads(1):
            assert sys.getswitchinterval() == pytest.approx(0.0005)
            raise ZeroDivisionError
        assert sys.getswitchinterval() == pytest.approx(0.005)
    finally:
        sys.setswitchinterval(before)


def test_outputs_come_in_order_and_items_are_taken_within_bounds():
    taken, is_first_done = [], Event()

    def items():
        for number in range(8):
            taken.append(number)
            yield number

    def double(number):
        if number == 0:
            is_first_done.wait(10)
        return 2 * number

    with threads(2) as executor:
        outputs = ordered_map(executor, double, items(), ahead=3)
        Timer(0.2, is_first_done.set).start()
        assert next(outputs) == 0
        assert len(taken) <= 4
        assert list(outputs) == [2, 4, 6, 8, 10, 12, 14]


def test_prefetched_items_keep_their_order_and_their_exception():
    def items():
        yield from (1, None, [])
        raise ZeroDivisionError

    found = []
    with threads(1) as executor, pytest.raises(ZeroDivisionError):
        for item in prefetch(executor, items(), ahead=2):
            found.append(item)
    assert found == [1, None, []]
    with threads(1) as executor:
        assert list(prefetch(executor, iter(()), ahead=2)) == []
