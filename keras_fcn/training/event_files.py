"""TensorBoard's event files of a run that is trained in several sessions.

TensorBoard keeps each file open, and where the system allows no more it shows what it
has, without a word. So a session writes one file a folder, and the next begins by
making one of those that are there, without the points of an epoch that was not
finished.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from keras_fcn.storage.atomic import atomic_file


def keep_events_until(log_dir: Path, epoch: int) -> None:
    """Make one event file of those of a folder, without later epochs.

    A record that was not written to its end, and what follows it, is left out.

    Args:
        log_dir: folder of a `TensorBoardLogger`.
        epoch: the last epoch that is kept; 0 keeps none.

    Raises:
        OSError: if the file can't be written; those that were there stay.
    """
    for folder in sorted(path for path in log_dir.glob("*") if path.is_dir()):
        paths = sorted(folder.glob("events.*"), key=_first_epoch)
        if not paths:
            continue
        kept = paths[0]
        if epoch:
            with naming_full_disk(kept), atomic_file(kept) as part:
                with tf.io.TFRecordWriter(str(part)) as writer:
                    for record in _records_until(paths, epoch):
                        writer.write(record)
        for path in paths[1:] if epoch else paths:
            path.unlink()


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Raise OSError where TensorFlow can't write in a block; its own errors vary.

    Args:
        path: what is written, for the message.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message.rpartition("; ")[2].strip()  # after the path
        raise OSError(f"{path} can't be written: {reason}") from error


def _first_epoch(path):
    """The epoch that a file begins with; its name tells the second alone."""
    events = map(Event.FromString, _whole_records(path))
    return next((event.step for event in events if event.HasField("summary")), 0)


def _records_until(paths, epoch) -> Iterator[bytes]:
    """Version and points of several files, those of an epoch once."""
    seen = set()
    for number, path in enumerate(paths):
        for record in _whole_records(path):
            event = Event.FromString(record)
            if event.HasField("summary"):
                tags = tuple(value.tag for value in event.summary.value)
                if event.step > epoch or (event.step, tags) in seen:
                    continue
                seen.add((event.step, tags))
            elif number:  # the version stands in the first file already
                continue
            yield record


def _whole_records(path) -> Iterator[bytes]:
    with suppress(tf.errors.DataLossError):  # the process was killed while it wrote
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
