"""SIGTERM is noted once, and does then what it did before."""

import os
import signal
import threading

from keras_fcn.training.stop import stop_requested


def test_sigterm_is_noted_and_the_second_does_what_it_did_before():
    told = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("before"))
    try:
        with stop_requested() as is_asked_for:
            assert not is_asked_for()
            os.kill(os.getpid(), signal.SIGTERM)
            assert is_asked_for() and told == []
            os.kill(os.getpid(), signal.SIGTERM)
            assert told == ["before"]
        with stop_requested() as is_asked_for:
            assert not is_asked_for()
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == ["before", "before"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_another_thread_nothing_is_noted():
    answers = []

    def ask():
        with stop_requested() as is_asked_for:
            answers.append(is_asked_for())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert answers == [False]
