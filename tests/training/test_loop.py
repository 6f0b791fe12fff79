"""The training loop, with a fake trainer."""

import os
import signal
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import keras_fcn.training.loop as training_loop
from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.datasets.lanes import cached_lanes
from keras_fcn.datasets.pipeline import validation_batches
from keras_fcn.errors import BatchTooLarge
from keras_fcn.runs.checkpoints import Checkpoint
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import SampleWriter
from keras_fcn.training.data import TrainingData
from keras_fcn.training.distributed.strategy import Distribution
from keras_fcn.training.loop import TrainingLoop, stop_requested
from keras_fcn.training.optimizer import make_schedule
from tests.support.data import numbered_split

CLASS_MAP = ClassMap(("a", "b"), ((0, 0, 0), (200, 0, 0)), 255)


class FakeTrainer:
    """A trainer whose steps take 0.3 seconds; the first, which is compiled, takes 9."""

    def __init__(self):
        self.now = 100.0
        self.seeds, self.batches, self.validated = [], [], []
        self.loss = self.validation_loss = 0.5
        self.losses, self.epoch_losses = [], []  # of the next and of the finished steps
        self.epoch_loss = SimpleNamespace(
            first_non_finite_step=self._first_non_finite_step
        )
        self.is_in_epoch = False
        self.most_images = np.inf  # of a batch; the memory has no room for more
        self.distribution, self.trainable_variables = Distribution(), []
        self.network = SimpleNamespace()

    def set_seeds(self, random, can_resume=False):
        self.seeds.append(int(random.integers(2**31)))

    @contextmanager
    def epoch(self, can_resume=False):
        self.is_in_epoch = True
        self.epoch_losses = list(self.epoch_losses) if can_resume else []
        yield self._train_on
        self.is_in_epoch = False

    def _train_on(self, batch):
        assert self.is_in_epoch
        if len(batch["image"]) > self.most_images:
            raise MemoryError
        self.now += 0.3 if self.batches else 9
        self.batches.append(batch)
        self.epoch_losses.append(self.losses.pop(0) if self.losses else self.loss)
        return Scores(self.epoch_losses)

    def _first_non_finite_step(self):
        assert not self.is_in_epoch  # variables are updated at the end of an epoch
        return int(np.argmin(np.isfinite([*self.epoch_losses, np.nan]))) + 1

    def validate(self, batches, callbacks):
        assert not self.is_in_epoch
        self.validated.append(list(batches.as_numpy_iterator()))
        return {"loss": np.float32(self.validation_loss)}


class Scores(dict):
    """Scores on the device: means over the finished steps."""

    def __init__(self, losses):
        super().__init__(loss=np.float32(np.mean(losses)), mean_iou=np.float32(0.25))


class Recorder:
    """Replaces the callbacks and records their calls."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def record(*arguments):
            self.calls.append((name, *arguments))

        return record

    def logs_of(self, name):
        return [arguments[-1] for called, *arguments in self.calls if called == name]


@pytest.fixture
def trainer(monkeypatch):
    """A fake trainer and a fake clock, on which waiting for a batch takes 0.1 s."""
    trainer, iterate = FakeTrainer(), training_loop.iterate

    def wait(batches):
        for batch in iterate(batches):
            trainer.now += 0.1
            yield batch

    clock = SimpleNamespace(monotonic=lambda: trainer.now)
    monkeypatch.setattr(training_loop, "time", clock)
    monkeypatch.setattr(training_loop, "iterate", wait)
    return trainer


@pytest.fixture
def fetched(monkeypatch):
    """The scores that were fetched, in order."""
    fetched_scores, fetch = [], training_loop.fetch

    def spy(scores):
        fetched_scores.append(scores)
        return fetch(scores)

    monkeypatch.setattr(training_loop, "fetch", spy)
    return fetched_scores


@pytest.fixture
def make_loop(trainer, tmp_path):
    def make(finished=0, num_images=5, step=0, mixed=None, **values):
        values = {"epochs": 2, "batch_size": 2, "learning_rate": 1.0, **values}
        split = numbered_split(num_images)
        dataset = SegmentationDataset(
            "numbers", CLASS_MAP, {"train": split, "val": split}
        )
        size = values["batch_size"]
        lanes = cached_lanes(split, range(size), batch_size=size, budget=2**20)
        batches = validation_batches(
            split.examples,
            split,
            split.part([0]).examples,
            batch_size=size,
            num_batches=-(-num_images // size),
            void_id=255,
        )
        data = TrainingData(
            dataset, [lanes], mixed, [batches], np.ones(2), None, (2, 2), {}
        )
        return TrainingLoop(
            trainer,
            TrainingConfig(**values),
            data,
            RunFolder(tmp_path),
            Checkpoint(finished, step),
        )

    return make


def run_recorded(loop):
    loop.callbacks = Recorder()
    loop.run()
    return loop.callbacks


@pytest.fixture
def orders(monkeypatch):
    """Keyword arguments of `training_batches` in each epoch."""
    calls, make_batches = [], training_loop.training_batches

    def spy(*args, **options):
        calls.append(options)
        return make_batches(*args, **options)

    monkeypatch.setattr(training_loop, "training_batches", spy)
    return calls


def test_every_epoch_has_a_different_seed_and_order(make_loop, trainer, orders):
    run_recorded(make_loop(epochs=20))
    seeds = [options["order_seed"] for options in orders]
    assert len(set(trainer.seeds)) == len(set(seeds)) == 20
    assert 0 <= min(seeds) and 2**30 < max(seeds) < 2**31


def test_a_resumed_loop_has_the_seeds_of_an_uninterrupted_one(
    make_loop, trainer, orders
):
    run_recorded(make_loop(epochs=4))
    callbacks = run_recorded(make_loop(finished=2, epochs=4))
    assert trainer.seeds[4:] == trainer.seeds[2:4]
    assert orders[4:] == orders[2:4]
    epochs = [epoch for name, epoch, *_ in callbacks.calls[1:-1] if "epoch" in name]
    assert epochs == [3, 3, 4, 4]


def test_seeds_and_order_are_determined_by_the_configured_seed(
    make_loop, trainer, orders
):
    for seed in (0, 0, 1):
        run_recorded(make_loop(epochs=1, seed=seed))
    first, again, other = zip(
        trainer.seeds, (options["order_seed"] for options in orders), strict=True
    )
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]


def test_each_image_is_trained_on_once_per_epoch(make_loop, trainer, orders):
    run_recorded(make_loop(epochs=1))
    shapes = {batch["image"].shape for batch in trainer.batches}
    assert shapes == {(2, 2, 2, 3)} and len(trainer.batches) == 3
    images, label_maps = (
        np.concatenate([batch[key] for batch in trainer.batches])
        for key in ("image", "label_map")
    )
    is_labelled = (label_maps != 255).any(axis=(1, 2))
    assert sorted(images[is_labelled, 0, 0, 0]) == [0, 1, 2, 3, 4]
    (options,) = orders
    assert (options["batch_size"], options["void_id"]) == (2, 255)


def test_each_epoch_validates_on_all_images_in_order(make_loop, trainer):
    run_recorded(make_loop(epochs=2))
    first, second = trainer.validated
    for batches in (first, second):
        assert [batch["image"][:, 0, 0, 0].tolist() for batch in batches] == [
            [0, 1], [2, 3], [4, 0],
        ]  # fmt: skip
        assert (batches[-1]["label_map"][1] == 255).all()  # padding
        assert all(set(batch) == {"image", "label_map", "size"} for batch in batches)


def test_speed_and_data_wait_exclude_the_compiled_first_step(make_loop, caplog):
    with caplog.at_level("INFO", "keras_fcn"):
        loop = make_loop(epochs=2)
        loop.seconds_between_reports = 0.35
        step_logs = run_recorded(loop).logs_of("on_train_batch_end")
    assert "The first step, which is compiled, took 9.1 s" in caplog.messages
    assert [bool(logs) for logs in step_logs] == [False, True, True, True, True, True]
    # Each step waits 0.1 of 0.4 seconds. The last batch has one labeled image.
    step_logs = step_logs[1:]
    assert [logs["data_wait"] for logs in step_logs] == pytest.approx([0.25] * 5)
    speeds = [logs["images_per_second"] for logs in step_logs]
    assert speeds == pytest.approx([2 / 0.4, 3 / 0.8, 2 / 0.4, 4 / 0.8, 5 / 1.2])


@pytest.mark.parametrize("mixed", [None, numbered_split(3)])
def test_the_batch_size_that_fits_is_named_if_the_memory_has_no_room(
    make_loop, trainer, mixed
):
    loop = make_loop(batch_size=5, mixed=mixed)
    trainer.most_images = 4 if mixed else 2
    message = "^`batch_size` 2 fits, 5 does not$"
    with pytest.raises(BatchTooLarge, match=message):
        run_recorded(loop)
    trainer.most_images = 0
    with pytest.raises(MemoryError, match="^$"):
        run_recorded(loop)


def test_speed_counts_the_images_of_both_data_sets(make_loop):
    loop = make_loop(epochs=2, mixed=numbered_split(3))
    loop.seconds_between_reports = 0.35
    step_logs = run_recorded(loop).logs_of("on_train_batch_end")[1:]
    speeds = [logs["images_per_second"] for logs in step_logs]
    assert speeds == pytest.approx([4 / 0.4, 7 / 0.8, 4 / 0.4, 8 / 0.8, 11 / 1.2])


def test_the_share_of_the_all_reduce_is_relative_to_the_step_time(
    make_loop, monkeypatch
):
    monkeypatch.setattr(Distribution, "seconds_of_all_reduce", lambda *_: 0.1)
    loop = make_loop(epochs=1)
    loop.seconds_between_reports = 0.35
    step_logs = [log for log in run_recorded(loop).logs_of("on_train_batch_end") if log]
    assert step_logs[0]["all_reduce"] == pytest.approx(0.1 / 0.4)
    # The only step of this epoch is compiled and therefore not measured.
    loop = make_loop(epochs=1, num_images=2)
    (logs,) = run_recorded(loop).logs_of("on_train_batch_end")
    assert logs["all_reduce"] <= 1


def test_a_loop_resumed_at_the_last_step_reports_zero_speed(make_loop, monkeypatch):
    monkeypatch.setattr(Distribution, "seconds_of_all_reduce", lambda *_: 0.1)
    loop = make_loop(epochs=1, step=2)
    (logs,) = run_recorded(loop).logs_of("on_train_batch_end")
    assert (logs["images_per_second"], logs["all_reduce"]) == (0, 0)


def test_the_logged_learning_rate_is_that_of_the_step(make_loop):
    loop = make_loop(epochs=2, finished=1, learning_rate=0.125, poly_power=1.0)
    loop.seconds_between_reports = 0
    step_logs = run_recorded(loop).logs_of("on_train_batch_end")
    schedule = make_schedule(loop.config, 3)
    rates = [logs["learning_rate"] for logs in step_logs]
    assert rates == [float(schedule(step)) for step in (3, 4, 5)]
    assert len(set(rates)) == 3


def test_scores_are_fetched_for_reports_only(make_loop, trainer, fetched):
    loop = make_loop(num_images=40, epochs=2)
    loop.seconds_between_reports = 2.1  # steps take 0.4 seconds
    step_logs = run_recorded(loop).logs_of("on_train_batch_end")
    reports = [step for step, logs in enumerate(step_logs) if logs]
    # Every six steps after the first one, and at the end of each epoch.
    assert reports == [6, 12, 18, 19, 25, 31, 37, 39]
    # The compiled first step is fetched in addition, to measure its time.
    assert len(fetched) == 1 + len(reports)


def test_waiting_while_the_device_computes_is_no_data_wait(make_loop, monkeypatch):
    monkeypatch.setattr(training_loop, "is_pending", bool)  # all but the first step
    step_logs = run_recorded(make_loop(epochs=1)).logs_of("on_train_batch_end")
    assert step_logs[-1]["data_wait"] == 0


def test_callbacks_are_called_with_epochs_steps_and_scores(make_loop):
    calls = run_recorded(make_loop(epochs=1)).calls
    assert [(name, *arguments[:1]) for name, *arguments in calls] == [
        ("on_train_begin",),
        ("on_epoch_begin", 1),
        *(
            (f"on_train_batch_{moment}", step)
            for step in range(3)
            for moment in ("begin", "end")
        ),
        ("on_epoch_end", 1),
        ("on_train_end",),
    ]
    logs = calls[-2][2]
    assert (logs["loss"], logs["mean_iou"], logs["val_loss"]) == (0.5, 0.25, 0.5)
    assert {type(value) for value in logs.values()} == {float}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": np.nan}, r"The loss is nan at step 1 \(epoch 1\) .* rate of 1:"),
        (
            {"validation_loss": np.inf},
            r"The validation loss is inf at step 3 \(epoch 1\) .* rate of 0.694:",
        ),
        ({"losses": [0.5, np.inf, 0.5]}, r"The loss is inf at step 2 \(epoch 1\) .*:"),
        (
            {"losses": [0.5, 0.5, 0.5, 0.5, np.nan, 0.5]},
            r"The loss is nan at step 5 \(epoch 2\) .* rate of 0.372:",
        ),
    ],
)
def test_a_loss_that_is_not_finite_ends_the_training(
    make_loop, trainer, changes, message
):
    vars(trainer).update(changes)
    loop = make_loop()
    with pytest.raises(FloatingPointError, match=message):
        run_recorded(loop)
    finished = len(loop.callbacks.logs_of("on_epoch_end"))
    assert finished == ("epoch 2" in message)


def test_a_training_ends_at_the_first_report_after_a_non_finite_loss(
    make_loop, trainer
):
    trainer.losses = [0.5, np.nan]
    loop = make_loop(num_images=40)
    loop.seconds_between_reports = 1
    with pytest.raises(FloatingPointError, match="at step 2 "):
        run_recorded(loop)
    assert len(trainer.batches) == 4


@pytest.mark.parametrize(
    ("num_images", "num_samples", "numbers"),
    [
        (9, 1, [0]),
        (9, 2, [0, 8]),
        (9, 4, [0, 3, 5, 8]),
        (3, 3, [0, 1, 2]),
        (3, 7, [0, 1, 2]),
        (1, 2, [0]),
    ],
)
def test_samples_are_spread_from_the_first_image_to_the_last(
    make_loop, num_images, num_samples, numbers
):
    loop = make_loop(num_images=num_images, num_samples=num_samples)
    (writer,) = (c for c in loop.callbacks.callbacks if isinstance(c, SampleWriter))
    assert [int(image[0, 0, 0]) for image, _ in writer.samples] == numbers
    for number, (_, label_map) in zip(numbers, writer.samples, strict=True):
        np.testing.assert_array_equal(label_map, np.full((2, 2), number % 2))


def test_the_first_sigterm_is_caught_and_the_second_has_its_previous_effect():
    received = []
    before = signal.signal(signal.SIGTERM, lambda *_: received.append("before"))
    try:
        with stop_requested() as is_requested:
            assert not is_requested()
            os.kill(os.getpid(), signal.SIGTERM)
            assert is_requested() and received == []
            os.kill(os.getpid(), signal.SIGTERM)
            assert received == ["before"]
        with stop_requested() as is_requested:
            assert not is_requested()
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == ["before", "before"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_outside_the_main_thread_no_signal_is_caught():
    results = []

    def enter():
        with stop_requested() as is_requested:
            results.append(is_requested())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert results == [False]
