"""The manifest: the result of each image, as Parquet.

OUTPUT/
  manifest.parquet           a row for each image, when the prediction has ended
  manifest.parts/N.parquet   rows of a running or interrupted prediction

A part is renamed when it is complete, so that an interrupted prediction can be
continued. At the end the parts are merged into one file.
"""

import json
import os
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from keras_fcn.errors import one_line
from keras_fcn.prediction.jobs import LABELS
from keras_fcn.ray_prediction.messages import Row
from keras_fcn.ray_prediction.storage import Storage

_SECONDS_PER_PART = 20
_ROWS_PER_PART = 20_000
_SETTINGS = b"keras_fcn"  # key in the metadata of the Parquet file
DONE, ERROR = "done", "error"
_COLUMNS = Row._fields[:-1]  # without shares; "status" is inserted at index 2


class Manifest:
    """The manifest of an output folder."""

    def __init__(
        self,
        storage: Storage,
        output_dir: str,
        class_names: Sequence[str],
        settings: Mapping[str, Any],
    ):
        """Open a manifest, which may not exist yet.

        Args:
            storage: file system of the manifest.
            output_dir: its folder, without options of the file system.
            class_names: names of the columns of shares, `share_road` and so on; "void"
                is appended.
            settings: values that the outputs depend on, by argument, as JSON types.

        Raises:
            ValueError: if the existing manifest has other settings.
        """
        self._storage = storage
        self._file = f"{output_dir}/manifest.parquet"
        self._folder = f"{output_dir}/manifest.parts"
        self._names = [*class_names, "void"]
        self._schema = _schema(self._names).with_metadata(
            {_SETTINGS: json.dumps(settings)}
        )
        self._rows: list[Row] = []
        self._part_started = time.monotonic()
        parts = []
        if storage.exists(self._folder):
            parts = sorted(
                name
                for name in storage.files(self._folder)
                if Path(name).stem.isdecimal() and name.endswith(".parquet")
            )
        self._parts = parts
        self._number = int(Path(parts[-1]).stem) + 1 if parts else 1
        for name in self._files():
            self._check_settings(name, settings)

    def resume(self, by_stem: dict[str, str]) -> int:
        """Remove the images that are done: their rows and their label maps exist.

        Rows of images that failed, or whose label map is missing, are deleted.

        Args:
            by_stem: as in `Sources`; images that are done are removed.

        Returns:
            The number of images that are done.
        """
        files = self._files()
        if not files:
            return 0
        requested = set(map(_as_utf8, by_stem.values()))
        folder = self._file.rpartition("/")[0]
        existing = {
            _as_utf8(name[len(folder) + 1 :])
            for name in self._storage.files(folder)
            if LABELS in name and name.endswith(".png")
        }
        latest = self._latest(existing)
        num_done = 0
        keep: dict[str, int] = {}  # index of the file whose row is kept, by path
        for index, name in enumerate(files):
            for path, frame, _, output in self._read_keys(name):
                if latest[path] // 2 != index or path in keep:
                    continue
                if latest[path] % 2:  # done
                    first = output
                    if frame is not None:  # STEM_labels/FRAME.png
                        first = output.rpartition("/")[0] + ".png"
                    stem = first.removesuffix(f"{LABELS}.png")
                    if by_stem.get(stem) == path:
                        del by_stem[stem]
                        num_done += 1
                        keep[path] = index
                        continue
                if path not in requested:  # of another prediction into this folder
                    keep[path] = index
        self._compact(keep)
        return num_done

    def _latest(self, existing):
        """Twice the index of the last file with a path, plus 1 if it is done."""
        latest: dict[str, int] = {}
        for index, name in enumerate(self._files()):
            for path, _, status, output in self._read_keys(name):
                is_done = status == DONE and output in existing
                before = latest.get(path, 1)
                if before // 2 == index:  # a frame of a file with several frames
                    is_done = is_done and before % 2
                latest[path] = 2 * index + is_done
        return latest

    def add(self, rows: Collection[Row]) -> None:
        """Add the rows of images, and write a part when one is due.

        Args:
            rows: all rows of each of the images.

        Raises:
            OSError: if a part cannot be written.
        """
        self._rows.extend(rows)
        is_late = time.monotonic() - self._part_started >= _SECONDS_PER_PART
        if self._rows and (is_late or len(self._rows) >= _ROWS_PER_PART):
            self.flush()

    def flush(self) -> None:
        """Write a part with the rows that were added since the last one.

        Raises:
            OSError: if it cannot be written.
        """
        if self._rows:
            sink = pa.BufferOutputStream()
            with pq.ParquetWriter(sink, self._schema) as writer:
                writer.write_table(_table(self._rows, self._schema))
            name = f"{self._folder}/{self._number:08}.parquet"
            self._storage.write(name, sink.getvalue().to_pybytes())
            self._parts.append(name)
            self._number += 1
        self._rows, self._part_started = [], time.monotonic()

    def finish(self) -> None:
        """Write the remaining rows, and merge the parts into one file.

        Raises:
            OSError: if a file cannot be written.
        """
        self.flush()
        if self._parts:
            self._compact()

    def _files(self):
        """The manifest and its parts, the oldest first."""
        whole = [self._file] if self._storage.exists(self._file) else []
        return whole + self._parts

    def _check_settings(self, name, settings):
        try:
            with self._storage.open(name) as file:
                metadata = pq.read_schema(file).metadata
            before = json.loads(metadata[_SETTINGS])
        except (pa.ArrowInvalid, TypeError, KeyError) as error:
            raise ValueError(
                f"{name} is not the manifest of a prediction ({one_line(error)}): "
                "choose another `output_dir`"
            ) from error
        for key, value in json.loads(json.dumps(settings)).items():
            if before.get(key) != value:
                raise ValueError(
                    f"{name} was predicted with another `{key}` ({before.get(key)}, "
                    f"now {value}): choose another `output_dir`"
                )

    def _read_keys(self, name) -> Iterator[tuple]:
        for batch in self._batches(name, ["path", "frame", "status", "output"]):
            yield from zip(*(column.to_pylist() for column in batch), strict=True)

    def _batches(self, name, columns=None):
        with self._storage.open(name) as file:
            yield from pq.ParquetFile(file).iter_batches(
                _ROWS_PER_PART, columns=columns
            )

    def _compact(self, keep: Mapping[str, int] | None = None):
        """Merge all files into one.

        Args:
            keep: index of the file whose rows are kept, by path; None keeps all rows.
        """
        with tempfile.TemporaryDirectory() as folder:
            whole = Path(folder, "manifest.parquet")
            with pq.ParquetWriter(whole, self._schema) as writer:
                for table in self._kept(keep):
                    writer.write_table(table)
            self._storage.write(self._file, whole.read_bytes())
        if self._parts:
            self._storage.remove_folder(self._folder)
        self._parts = []

    def _kept(self, keep):
        """The rows that are kept, in tables of at least `_ROWS_PER_PART` rows."""
        pending, num_rows = [], 0
        for index, name in enumerate(self._files()):
            for batch in self._batches(name):
                if keep is not None:
                    paths = batch.column("path").to_pylist()
                    batch = batch.filter(
                        pa.array([keep.get(path) == index for path in paths])
                    )
                pending.append(batch)
                num_rows += batch.num_rows
                if num_rows >= _ROWS_PER_PART:
                    yield pa.Table.from_batches(pending, self._schema)
                    pending, num_rows = [], 0
        yield pa.Table.from_batches(pending, self._schema)


def _schema(names):
    return pa.schema(
        [
            ("path", pa.string()),
            ("frame", pa.int32()),
            ("status", pa.string()),
            ("output", pa.string()),
            ("error", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("seconds", pa.float32()),
            ("confidence", pa.float32()),
            *((f"share_{name}", pa.float32()) for name in names),
        ]
    )


def _table(rows, schema):
    columns = [[getattr(row, name) for row in rows] for name in _COLUMNS]
    columns[_COLUMNS.index("path")] = [_as_utf8(row.path) for row in rows]
    columns[_COLUMNS.index("output")] = [_as_utf8(row.output) for row in rows]
    columns.insert(2, [DONE if row.error is None else ERROR for row in rows])
    nothing = (None,) * (len(schema) - len(columns))  # shares of failed images
    columns += map(list, zip(*(row.shares or nothing for row in rows), strict=True))
    return pa.table(columns, schema=schema)


def _as_utf8(name):
    """A path as UTF-8, which Parquet requires; other bytes are escaped."""
    return name and os.fsencode(name).decode("utf-8", "backslashreplace")
