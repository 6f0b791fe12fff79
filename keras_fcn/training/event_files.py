"""TensorBoard's event files of a run that is trained in several sessions.

TensorBoard keeps each file open; if the system allows no more open files, it silently
shows fewer curves. So a session writes one file in each folder, and the next session
first merges the existing files, without the points of an unfinished epoch.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import tensorflow as tf
from tensorflow.core.util.event_pb2 import Event

from keras_fcn.storage.atomic import atomic_file


def keep_events_until(log_dir: Path, epoch: int) -> None:
    """Merge the event files of each folder into one, without later epochs.

    A truncated record and those after it are dropped.

    Args:
        log_dir: folder of a `TensorBoardLogger`.
        epoch: last epoch that is kept; 0 keeps none.

    Raises:
        OSError: if a file can't be written; the existing files are kept.
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
    """Raise OSError if TensorFlow can't write in a block; its own errors vary.

    Args:
        path: path for the message.
    """
    try:
        yield
    except tf.errors.OpError as error:
        reason = error.message.rpartition("; ")[2].strip()  # after the path
        raise OSError(f"{path} can't be written: {reason}") from error


def _first_epoch(path: Path) -> int:
    """Return the epoch of a file's first point; its name only has the second."""
    events = map(Event.FromString, _whole_records(path))
    return next((event.step for event in events if event.HasField("summary")), 0)


def _records_until(paths: list[Path], epoch: int) -> Iterator[bytes]:
    """Yield the version and the points of several files, each point once."""
    seen = set()
    for number, path in enumerate(paths):
        for record in _whole_records(path):
            event = Event.FromString(record)
            if event.HasField("summary"):
                tags = tuple(value.tag for value in event.summary.value)
                if event.step > epoch or (event.step, tags) in seen:
                    continue
                seen.add((event.step, tags))
            elif number:  # the first file has the version already
                continue
            yield record


def _whole_records(path: Path) -> Iterator[bytes]:
    with suppress(tf.errors.DataLossError):  # the process was killed while it wrote
        yield from tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
