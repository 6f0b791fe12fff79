"""The manifest: the result of each image, as Parquet.

OUTPUT/
  manifest.parquet           a row for each image, when the prediction has ended
  manifest.parts/N.parquet   rows of a running or interrupted prediction

At the end the parts are merged into one file, whose metadata contains the number of the
last one: parts that could not be deleted are ignored.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset, fs

from keras_fcn.errors import one_line
from keras_fcn.prediction.jobs import LABELS
from keras_fcn.ray.storage import child, list_files, locate, without_options, write

_WHOLE, _PARTS = "manifest.parquet", "manifest.parts"
_SECONDS_PER_PART = 20
_ROWS_PER_PART = 100_000  # limits the memory
_ROWS_PER_GROUP = 20_000
_SETTINGS, _LAST_PART = b"keras_fcn", b"keras_fcn_last_part"  # keys of the metadata


def row_schema(class_names: Sequence[str]) -> pa.Schema:
    """Return the columns of the manifest.

    Args:
        class_names: classes of the network, without void.

    Returns:
        `path`: absolute path or URL of the image; `frame`: its index in a file that has
        several images, otherwise null; `status`: "done" or "error"; `output`: path of
        the label map relative to the output folder, null after an error; `error`: one
        line, null if there is a label map; `height` and `width`, pixels; `seconds` to
        read, predict and write the image; `confidence`: mean over the pixels in [0, 1],
        if requested; and shares of the pixels: `share_NAME` of each class and
        `share_void`.
    """
    numbers = ("seconds", "confidence", *map("share_{}".format, (*class_names, "void")))
    return pa.schema(
        {
            "path": pa.string(),
            "frame": pa.int32(),
            "status": pa.string(),
            "output": pa.string(),
            "error": pa.string(),
            "height": pa.int32(),
            "width": pa.int32(),
            **dict.fromkeys(numbers, pa.float32()),
        }
    )


class Manifest:
    """The manifest of an output folder."""

    def __init__(
        self, output_dir: str, class_names: Sequence[str], settings: Mapping[str, Any]
    ):
        """Open a manifest, which may not exist yet.

        Args:
            output_dir: path or URL of the output folder.
            class_names: as in `row_schema`.
            settings: values that the outputs depend on, by argument, as JSON types.

        Raises:
            ValueError: if the existing manifest has other settings.
            OSError: if the folder cannot be read.
        """
        self._output_dir, self._schema = output_dir, row_schema(class_names)
        self._settings = json.dumps(settings)
        self._file_system, path = locate(output_dir)
        self._whole, self._folder = f"{path}/{_WHOLE}", f"{path}/{_PARTS}"
        self._rows: list[pa.Table] = []
        self._part_started = time.monotonic()
        self._files: list[str] = []  # the oldest first
        self._last_part = 0
        if self._file_system.get_file_info(self._whole).type == fs.FileType.File:
            self._last_part = int(self._check(self._whole, settings)[_LAST_PART])
            self._files.append(self._whole)
        for name in sorted(info.path for info in self._parts()):
            number = PurePosixPath(name).stem
            if number.isdecimal() and int(number) > self._last_part:
                self._check(name, settings)
                self._files.append(name)
                self._last_part = int(number)

    def resume(self, stems: dict[str, str]) -> int:
        """Remove the images that are done: their rows and their label maps exist.

        Rows of the other images are deleted.

        Args:
            stems: as from `find_sources`; images that are done are removed.

        Returns:
            The number of images that are done.
        """
        if not self._files:
            return 0
        length = len(without_options(self._output_dir)) + 1
        names = (name[length:] for name in list_files(self._output_dir))
        existing = {as_utf8(name) for name in names if LABELS in name}
        outputs: dict[str, str] = {}  # "" of images that failed or lack a label map
        for table in self._tables(["path", "output"]):
            columns = (column.to_pylist() for column in table.columns)
            for path, output in zip(*columns, strict=True):
                is_done = output in existing and outputs.get(path, output)
                outputs[path] = output if is_done else ""
        num_images, replaced = len(stems), []
        for source in [*stems]:
            path = as_utf8(without_options(source))
            labels = as_utf8(stems[source]) + LABELS
            if path not in outputs:
                continue
            starts = (f"{labels}.png", f"{labels}/")  # of an image, of a frame
            if outputs[path].startswith(starts):
                del stems[source]
            else:
                replaced.append(path)
        if replaced:
            self._merge(replaced)
        return num_images - len(stems)

    def add(self, rows: pa.Table) -> None:
        """Add rows, and write a part when one is due.

        Args:
            rows: all rows of some images.

        Raises:
            OSError: if a part cannot be written.
        """
        self._rows.append(rows)
        num_rows = sum(table.num_rows for table in self._rows)
        seconds = time.monotonic() - self._part_started
        if seconds >= _SECONDS_PER_PART or num_rows >= _ROWS_PER_PART:
            self.flush()

    def flush(self) -> None:
        """Write a part with the rows that were added since the last one.

        Raises:
            OSError: if it cannot be written.
        """
        if self._rows:
            self._last_part += 1
            name = f"{self._last_part:08}.parquet"
            self._write(f"{_PARTS}/{name}", self._rows)
            self._files.append(f"{self._folder}/{name}")
        self._rows, self._part_started = [], time.monotonic()

    def finish(self) -> None:
        """Write the remaining rows, and merge the parts into one file.

        Raises:
            OSError: if a file cannot be written.
        """
        self.flush()
        if self._files not in ([], [self._whole]):
            self._merge()

    def _parts(self):
        selector = fs.FileSelector(self._folder, allow_not_found=True)
        return self._file_system.get_file_info(selector)

    def _check(self, name, settings):
        """Check the settings of a file, and return its metadata."""
        try:
            metadata = pq.read_schema(name, filesystem=self._file_system).metadata
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
        return metadata

    def _tables(self, columns=None, condition=None) -> Iterator[pa.Table]:
        rows = dataset.dataset(
            self._files, self._schema, "parquet", filesystem=self._file_system
        )
        # Few rows ahead: by default, more than a million would be in memory.
        batches = rows.to_batches(
            columns=columns,
            filter=condition,
            batch_size=_ROWS_PER_GROUP,
            batch_readahead=1,
            fragment_readahead=1,
        )
        for batch in batches:
            yield pa.Table.from_batches([batch])

    def _merge(self, without: Sequence[str] = ()):
        """Merge all files into one, without the rows of some paths."""
        is_kept = ~dataset.field("path").isin(pa.array(without, pa.string()))
        self._write(_WHOLE, self._tables(condition=is_kept))
        if self._parts():
            self._file_system.delete_dir(self._folder)
        self._files = [self._whole]

    def _write(self, name, tables):
        """Write a file in which small tables are joined to large row groups."""
        metadata = {_SETTINGS: self._settings, _LAST_PART: str(self._last_part)}
        empty, sink = self._schema.empty_table(), pa.BufferOutputStream()
        group = [empty]
        with pq.ParquetWriter(sink, self._schema.with_metadata(metadata)) as writer:
            for table in tables:
                group.append(table)
                if sum(table.num_rows for table in group) >= _ROWS_PER_GROUP:
                    writer.write_table(pa.concat_tables(group))
                    group = [empty]
            writer.write_table(pa.concat_tables(group))
        write(child(self._output_dir, name), sink.getvalue().to_pybytes())


def as_utf8(name: str) -> str:
    """Return a path as UTF-8, which Parquet requires, with other bytes escaped.

    Args:
        name: as Python has it, with surrogates for bytes that are not UTF-8.
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")
