"""The manifest: what came of each image, as Parquet.

OUTPUT/
  manifest.parquet        a row for each image, once the prediction has ended
  manifest.parts/N.parquet   rows of a prediction that is under way, or was broken off

A part takes its name when it is whole, so that whatever breaks off a prediction, the
next one knows what is done. At its end the parts become one file.
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

_SECONDS_A_PART = 20
_ROWS_A_PART = 20_000
_SETTINGS = b"keras_fcn"  # key of the file's metadata
DONE, ERROR = "done", "error"
_COLUMNS = Row._fields[:-1]  # of the rows; the status comes after the first two


class Manifest:
    """The manifest of an output folder."""

    def __init__(
        self,
        storage: Storage,
        output_dir: str,
        class_names: Sequence[str],
        settings: Mapping[str, Any],
    ):
        """Open the manifest, which may not be there yet.

        Args:
            storage: where it is.
            output_dir: its folder, without options.
            class_names: name the columns of the shares, `share_road` ...; "void" is the
                last one.
            settings: what the outputs depend on, by the names of arguments; JSON's
                types.

        Raises:
            ValueError: if what is there was predicted with others.
        """
        self._storage = storage
        self._file = f"{output_dir}/manifest.parquet"
        self._folder = f"{output_dir}/manifest.parts"
        self._names = [*class_names, "void"]
        self._schema = _schema(self._names).with_metadata(
            {_SETTINGS: json.dumps(settings)}
        )
        self._rows: list[Row] = []
        self._begun = time.monotonic()
        parts = []
        if storage.is_there(self._folder):
            parts = sorted(n for n in storage.files(self._folder) if _is_part(n))
        self._parts = parts
        self._number = int(Path(parts[-1]).stem) + 1 if parts else 1
        for name in self._files():
            self._check_settings(name, settings)

    def resume(self, by_stem: dict[str, str]) -> int:
        """Leave out what is done: its rows and its label maps are there.

        What failed, or has lost its output, loses its row: it will get a new one.

        Args:
            by_stem: as in `Sources`; what is done is removed.

        Returns:
            How many images are done.
        """
        files = self._files()
        if not files:
            return 0
        asked, there = set(map(_as_utf8, by_stem.values())), self._label_maps()
        latest = self._latest(there)
        num_done, keep = 0, {}
        for index, name in enumerate(files):
            for path, frame, _, output in self._read_keys(name):
                if latest[path] // 2 != index or path in keep:
                    continue
                is_done = latest[path] % 2
                stem = _stem(output, frame) if is_done else None
                if is_done and by_stem.get(stem) == path:
                    del by_stem[stem]
                    num_done += 1
                    keep[path] = index
                elif path not in asked:  # of another prediction into this folder
                    keep[path] = index
        self._compact(keep)
        return num_done

    def _latest(self, there):
        """By path twice the index of the last file that has it, and 1 if it is done."""
        latest: dict[str, int] = {}
        for index, name in enumerate(self._files()):
            for path, _, status, output in self._read_keys(name):
                is_done = status == DONE and output in there
                before = latest.get(path, 1)
                if before // 2 == index:  # of a file with several images
                    is_done = is_done and before % 2
                latest[path] = 2 * index + is_done
        return latest

    def add(self, rows: Collection[Row]) -> None:
        """Take what came of images; now and then it is written.

        Args:
            rows: all rows of each of the images.

        Raises:
            OSError: if it can't be written.
        """
        self._rows.extend(rows)
        is_late = time.monotonic() - self._begun >= _SECONDS_A_PART
        if self._rows and (is_late or len(self._rows) >= _ROWS_A_PART):
            self.flush()

    def flush(self) -> None:
        """Write a part with what was added since the last one.

        Raises:
            OSError: if it can't be written.
        """
        if self._rows:
            sink = pa.BufferOutputStream()
            with pq.ParquetWriter(sink, self._schema) as writer:
                writer.write_table(_table(self._rows, self._schema))
            name = f"{self._folder}/{self._number:08}.parquet"
            self._storage.write(name, sink.getvalue().to_pybytes())
            self._parts.append(name)
            self._number += 1
        self._rows, self._begun = [], time.monotonic()

    def finish(self) -> None:
        """Write all that was added, and make one file of the parts.

        Raises:
            OSError: if it can't be written.
        """
        self.flush()
        if self._parts:
            self._compact()

    def _files(self):
        """The manifest and its parts, the oldest first."""
        whole = [self._file] if self._storage.is_there(self._file) else []
        return whole + self._parts

    def _check_settings(self, name, settings):
        try:
            with self._storage.open(name) as file:
                metadata = pq.read_schema(file).metadata
            before = json.loads(metadata[_SETTINGS])
        except (pa.ArrowInvalid, TypeError, KeyError) as error:
            raise ValueError(
                f"{name} is no manifest of a prediction: choose another `output_dir` "
                f"({one_line(error)})"
            ) from error
        for key, value in json.loads(json.dumps(settings)).items():
            if before.get(key) != value:
                raise ValueError(
                    f"{name} was predicted with another `{key}` ({before.get(key)}, "
                    f"now {value}): choose another `output_dir`"
                )

    def _label_maps(self):
        """Names of the label maps below the output's folder."""
        folder = self._file.rpartition("/")[0]
        return {
            _as_utf8(name[len(folder) + 1 :])
            for name in self._storage.files(folder)
            if LABELS in name and name.endswith(".png")
        }

    def _read_keys(self, name) -> Iterator[tuple]:
        for batch in self._batches(name, ["path", "frame", "status", "output"]):
            yield from zip(*(column.to_pylist() for column in batch), strict=True)

    def _batches(self, name, columns=None):
        with self._storage.open(name) as file:
            yield from pq.ParquetFile(file).iter_batches(_ROWS_A_PART, columns=columns)

    def _compact(self, keep: Mapping[str, int] | None = None):
        """Make one file of all, of the rows that are kept where they are told.

        Each path of `keep` has the index of the file whose rows count.
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
        """The rows that are kept, in tables of some size."""
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
                if num_rows >= _ROWS_A_PART:
                    yield pa.Table.from_batches(pending, self._schema)
                    pending, num_rows = [], 0
        yield pa.Table.from_batches(pending, self._schema)


def _is_part(name):
    return Path(name).stem.isdecimal() and name.endswith(".parquet")


def _stem(output, frame):
    """The beginning of the names of an image's outputs."""
    whole = output if frame is None else output.rpartition("/")[0] + ".png"
    return whole.removesuffix(f"{LABELS}.png")


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
    nothing = (None,) * (len(schema) - len(columns))
    columns += map(list, zip(*(row.shares or nothing for row in rows), strict=True))
    return pa.table(columns, schema=schema)


def _as_utf8(name):
    """A name as Parquet takes it: bytes that are no text are written out."""
    return name and os.fsencode(name).decode("utf-8", "backslashreplace")
