"""TensorBoard files of a resumed training: one per folder, each epoch once."""

import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_fcn.training.event_files import keep_events_until


def write_session(folder, epochs, suffix=""):
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=suffix)
    with writer.as_default():
        for epoch in epochs:
            tf.summary.scalar("loss", epoch / 10, step=epoch)
            tf.summary.scalar("mean_iou", epoch / 20, step=epoch)
    writer.close()


def points(folder):
    events = EventAccumulator(str(folder)).Reload()
    tags = events.Tags()["tensors"]
    return {tag: sorted(event.step for event in events.Tensors(tag)) for tag in tags}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "train"
    write_session(folder, [1, 2], ".a")
    write_session(folder, [3, 4, 5], ".b")
    return folder


@pytest.mark.parametrize("epoch", [1, 2, 4, 5])
def test_sessions_are_merged_into_one_file_without_later_epochs(folder, epoch):
    keep_events_until(folder.parent, epoch)
    assert len(list(folder.iterdir())) == 1
    steps = list(range(1, epoch + 1))
    assert points(folder) == {"loss": steps, "mean_iou": steps}
    write_session(folder, [epoch + 1])
    steps.append(epoch + 1)
    assert points(folder) == {"loss": steps, "mean_iou": steps}


def test_no_event_file_is_kept_if_no_epoch_was_finished(folder):
    keep_events_until(folder.parent, 0)
    assert list(folder.iterdir()) == []
    keep_events_until(folder.parent, 0)


def test_a_truncated_record_is_removed(folder):
    *_, last = sorted(folder.iterdir())
    last.write_bytes(last.read_bytes()[:-3])
    keep_events_until(folder.parent, 5)
    assert points(folder) == {"loss": [1, 2, 3, 4, 5], "mean_iou": [1, 2, 3, 4]}


def test_epochs_are_not_duplicated_after_an_interrupted_merge(folder):
    first, second = sorted(folder.iterdir())
    before = second.read_bytes()
    keep_events_until(folder.parent, 5)
    second.write_bytes(before)  # the merged file was renamed, the old one not removed
    keep_events_until(folder.parent, 5)
    assert points(folder)["loss"] == [1, 2, 3, 4, 5]


def test_one_file_per_epoch_is_merged_into_one_file(tmp_path):
    for epoch in range(1, 5):
        write_session(tmp_path / "validation", [epoch], f".epoch{epoch:04}")
    keep_events_until(tmp_path, 3)
    assert len(list((tmp_path / "validation").iterdir())) == 1
    assert points(tmp_path / "validation")["loss"] == [1, 2, 3]
