"""The loop over the epochs, with a stand-in for the trainer."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import keras_fcn.training.loop as training_loop
from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.dataset import SegmentationDataset
from keras_fcn.runs.folder import RunFolder
from keras_fcn.training.callbacks import SampleWriter
from keras_fcn.training.data import TrainingData
from keras_fcn.training.loop import TrainingLoop
from tests.support.data import numbered_split

CLASS_MAP = ClassMap(("a", "b"), ((0, 0, 0), (200, 0, 0)), 255)


class StandIn:
    """A trainer whose steps take 0.3 seconds; its learning rate falls in each."""

    def __init__(self):
        self.now = 100.0
        self.drawn, self.batches, self.validated = [], [], []
        self.optimizer = SimpleNamespace(learning_rate=1.0, iterations=0)
        self.loss = self.validation_loss = 0.5
        self.adds_up = False

    def seed_draws(self, draws):
        self.drawn.append(int(draws.integers(2**31)))

    @contextmanager
    def scores_of_an_epoch(self):
        self.adds_up = True
        yield
        self.adds_up = False

    def train_on_batch(self, batch, return_dict):
        assert return_dict and self.adds_up
        self.batches.append(batch)
        self.now += 0.3
        self.optimizer.learning_rate /= 2
        self.optimizer.iterations += 1
        return {"loss": np.float32(self.loss), "mean_iou": np.float32(0.25)}

    def evaluate(self, batches, callbacks, verbose, return_dict):
        assert return_dict and verbose == 0 and not self.adds_up
        self.validated.append(list(batches.as_numpy_iterator()))
        return {"loss": np.float32(self.validation_loss)}


class Recorder:
    """Stands for the callbacks: keeps what they are told."""

    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        def tell(*arguments):
            self.told.append((name, *arguments))

        return tell

    def logs_of(self, name):
        return [arguments[-1] for told, *arguments in self.told if told == name]


@pytest.fixture
def trainer(monkeypatch):
    """Also keeps the clock, on which waiting for a batch takes 0.1 seconds."""
    trainer, iterate = StandIn(), training_loop.iterate

    def wait(batches):
        for batch in iterate(batches):
            trainer.now += 0.1
            yield batch

    clock = SimpleNamespace(monotonic=lambda: trainer.now)
    monkeypatch.setattr(training_loop, "time", clock)
    monkeypatch.setattr(training_loop, "iterate", wait)
    return trainer


@pytest.fixture
def make_loop(trainer, tmp_path):
    def make(finished=0, num_images=5, **values):
        values = {"epochs": 2, "batch_size": 2, **values}
        split = numbered_split(num_images)
        dataset = SegmentationDataset(
            "numbers", CLASS_MAP, {"train": split, "val": split}
        )
        data = TrainingData(
            dataset, split.examples, split.examples, np.ones(2), None, (2, 2)
        )
        return TrainingLoop(
            trainer,
            TrainingConfig(**values),
            data,
            RunFolder(tmp_path),
            {"epoch": finished, "history": []},
        )

    return make


def run_recorded(loop):
    loop.callbacks = Recorder()
    loop.run()
    return loop.callbacks


@pytest.fixture
def orders(monkeypatch):
    """What `training_batches` is asked for, by epoch."""
    asked, make_batches = [], training_loop.training_batches

    def spy(*args, **options):
        asked.append(options)
        return make_batches(*args, **options)

    monkeypatch.setattr(training_loop, "training_batches", spy)
    return asked


def test_every_epoch_has_its_own_draws_and_its_own_order(make_loop, trainer, orders):
    run_recorded(make_loop(epochs=20))
    seeds = [options["order_seed"] for options in orders]
    assert len(set(trainer.drawn)) == len(set(seeds)) == 20
    assert 0 <= min(seeds) and 2**30 < max(seeds) < 2**31


def test_a_loop_that_goes_on_draws_what_an_unbroken_one_does(
    make_loop, trainer, orders
):
    run_recorded(make_loop(epochs=4))
    callbacks = run_recorded(make_loop(finished=2, epochs=4))
    assert trainer.drawn[4:] == trainer.drawn[2:4]
    assert orders[4:] == orders[2:4]
    epochs = [epoch for name, epoch, *_ in callbacks.told[1:-1] if "epoch" in name]
    assert epochs == [3, 3, 4, 4]


def test_draws_and_order_follow_from_the_seed(make_loop, trainer, orders):
    for seed in (0, 0, 1):
        run_recorded(make_loop(epochs=1, seed=seed))
    first, again, other = zip(
        trainer.drawn, (options["order_seed"] for options in orders), strict=True
    )
    assert first == again
    assert first[0] != other[0] and first[1] != other[1]


def test_images_are_trained_on_once_an_epoch(make_loop, trainer, orders):
    run_recorded(make_loop(epochs=1, cache_budget=3))
    sizes = [len(batch["image"]) for batch in trainer.batches]
    assert sizes == [2, 2, 1]
    numbers = np.concatenate([batch["image"][:, 0, 0, 0] for batch in trainer.batches])
    assert sorted(numbers) == [0, 1, 2, 3, 4]
    (options,) = orders
    assert options["budget"] == 3 * 2**20  # bytes
    assert (options["batch_size"], options["void_id"]) == (2, 255)


def test_each_epoch_validates_on_all_images_in_their_order(make_loop, trainer):
    run_recorded(make_loop(epochs=2))
    first, second = trainer.validated
    for batches in (first, second):
        assert [batch["image"][:, 0, 0, 0].tolist() for batch in batches] == [
            [0, 1], [2, 3], [4],
        ]  # fmt: skip
        assert all(set(batch) == {"image", "label_map", "size"} for batch in batches)


def test_speed_wait_and_learning_rate_of_the_epoch_so_far_are_told(make_loop):
    told = run_recorded(make_loop(epochs=1)).logs_of("on_train_batch_end")
    # Each step waits 0.1 seconds of 0.4.
    assert [logs["data_wait"] for logs in told] == pytest.approx([0.25] * 3)
    speeds = [logs["images_per_second"] for logs in told]
    assert speeds == pytest.approx([2 / 0.4, 4 / 0.8, 5 / 1.2])
    # That of the step, not of the next one.
    assert [logs["learning_rate"] for logs in told] == [1, 0.5, 0.25]


def test_callbacks_are_told_of_epochs_steps_and_scores(make_loop):
    told = run_recorded(make_loop(epochs=1)).told
    assert [(name, *arguments[:1]) for name, *arguments in told] == [
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
    logs = told[-2][2]
    assert (logs["loss"], logs["mean_iou"], logs["val_loss"]) == (0.5, 0.25, 0.5)
    assert {type(value) for value in logs.values()} == {float}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": np.nan}, r"The loss is nan at step 1 \(epoch 1\) .* rate of 1:"),
        (
            {"validation_loss": np.inf},
            r"The validation loss is inf at step 3 \(epoch 1\) .* rate of 0.125:",
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
    assert not loop.callbacks.logs_of("on_epoch_end")


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
