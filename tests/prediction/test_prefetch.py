"""Threads that work while the network does."""

import sys

import pytest

from keras_fcn.prediction.prefetch import threads


def test_python_goes_from_thread_to_thread_more_often_in_the_block_alone():
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.005)
    try:
        with pytest.raises(ZeroDivisionError), threads(1):
            assert sys.getswitchinterval() == pytest.approx(0.0005)
            raise ZeroDivisionError
        assert sys.getswitchinterval() == pytest.approx(0.005)
    finally:
        sys.setswitchinterval(before)
