"""The manifest: parts, resuming, and one row for each image."""

import pandas
import pyarrow.parquet as pq
import pytest

from keras_fcn.ray_prediction.manifest import Manifest
from keras_fcn.ray_prediction.messages import Row
from keras_fcn.ray_prediction.storage import Storage

NAMES = ("road", "sky")


def open_manifest(folder, **settings):
    return Manifest(Storage(), str(folder), NAMES, {"model": "abc", **settings})


def done(folder, stem, frame=None):
    """The row of an image that was predicted, with its label map."""
    name = f"{stem}_labels.png" if frame is None else f"{stem}_labels/{frame:06}.png"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    row = Row(f"/in/{stem}.png", frame, name, None, 3, 4, 0.5, 0.75, (0.25, 0.5, 0.25))
    return row


def read(folder):
    return pandas.read_parquet(folder / "manifest.parquet").set_index("path")


def test_manifest_is_read_by_pandas_with_a_column_for_each_class(tmp_path):
    manifest = open_manifest(tmp_path)
    manifest.add([done(tmp_path, "a"), Row("/in/b.png", error="is no image")])
    manifest.finish()
    table = read(tmp_path)
    row = table.loc["/in/a.png"]
    assert (row.status, row.output, row.height, row.width) == (
        "done", "a_labels.png", 3, 4,
    )  # fmt: skip
    assert (row.seconds, row.confidence) == (0.5, 0.75)
    assert tuple(row[["share_road", "share_sky", "share_void"]]) == (0.25, 0.5, 0.25)
    row = table.loc["/in/b.png"]
    assert (row.status, row.error) == ("error", "is no image")
    assert pandas.isna(row.share_road)
    assert not (tmp_path / "manifest.parts").exists()


def test_written_parts_of_a_killed_prediction_are_done(tmp_path):
    killed = open_manifest(tmp_path)
    killed.add([done(tmp_path, "a"), Row("/in/bad.png", error="is no image")])
    killed.flush()
    killed.add([done(tmp_path, "b")])  # its label map exists, its row is missing
    lost = done(tmp_path, "c")
    killed.add([lost])
    killed.flush()
    (tmp_path / lost.output).unlink()
    again = open_manifest(tmp_path)
    waiting = {stem: f"/in/{stem}.png" for stem in ("a", "b", "bad", "c", "d")}
    killed_rows = 2  # a and b
    assert again.resume(waiting) == killed_rows
    assert list(waiting) == ["bad", "c", "d"]
    again.add([done(tmp_path, stem) for stem in waiting])
    again.finish()
    table = read(tmp_path)
    assert sorted(table.index) == [f"/in/{n}.png" for n in ("a", "b", "bad", "c", "d")]
    assert set(table.status) == {"done"}


def test_images_of_a_finished_prediction_are_done(tmp_path):
    first = open_manifest(tmp_path)
    first.add([done(tmp_path, "a")])
    first.finish()
    waiting = {"a": "/in/a.png"}
    second = open_manifest(tmp_path)
    assert second.resume(waiting) == 1 and not waiting
    second.finish()
    assert len(read(tmp_path)) == 1


def test_interrupted_removal_of_the_parts_duplicates_no_row(tmp_path, monkeypatch):
    manifest = open_manifest(tmp_path)
    manifest.add([done(tmp_path, "a"), done(tmp_path, "b")])
    monkeypatch.setattr(Storage, "remove_folder", lambda *_: None)
    manifest.finish()
    monkeypatch.undo()
    waiting = {"b": "/in/b.png"}
    open_manifest(tmp_path).resume(waiting)
    assert sorted(read(tmp_path).index) == ["/in/a.png", "/in/b.png"] and not waiting


def test_rows_of_another_prediction_into_the_folder_are_kept(tmp_path):
    first = open_manifest(tmp_path)
    first.add([done(tmp_path, "a"), Row("/in/bad.png", error="is no image")])
    first.finish()
    waiting = {"other": "/in/other.png"}
    second = open_manifest(tmp_path)
    assert second.resume(waiting) == 0
    second.add([done(tmp_path, "other")])
    second.finish()
    assert sorted(read(tmp_path).index) == ["/in/a.png", "/in/bad.png", "/in/other.png"]


def test_file_with_several_frames_is_done_when_all_of_them_are(tmp_path):
    first = open_manifest(tmp_path)
    first.add([done(tmp_path, "whole", 0), done(tmp_path, "whole", 1)])
    first.add([done(tmp_path, "cut", 0), Row("/in/cut.png", 1, error="is cut off")])
    first.finish()
    waiting = {"whole": "/in/whole.png", "cut": "/in/cut.png"}
    second = open_manifest(tmp_path)
    assert second.resume(waiting) == 1
    assert list(waiting) == ["cut"]
    assert list(read(tmp_path).index) == ["/in/whole.png"] * 2


@pytest.mark.parametrize("missing", [0, 1])
def test_file_with_several_frames_needs_all_of_its_label_maps(tmp_path, missing):
    first = open_manifest(tmp_path)
    rows = [done(tmp_path, "a", 0), done(tmp_path, "a", 1)]
    first.add(rows)
    first.finish()
    (tmp_path / rows[missing].output).unlink()
    waiting = {"a": "/in/a.png"}
    assert open_manifest(tmp_path).resume(waiting) == 0
    assert list(waiting) == ["a"]


def test_image_with_another_output_path_is_predicted_again_with_one_row(tmp_path):
    first = open_manifest(tmp_path)
    first.add([done(tmp_path, "a")])
    first.finish()
    waiting = {"sub/a": "/in/a.png"}
    second = open_manifest(tmp_path)
    assert second.resume(waiting) == 0 and waiting
    second.add([done(tmp_path, "sub/a")._replace(path="/in/a.png")])
    second.finish()
    assert list(read(tmp_path).output) == ["sub/a_labels.png"]


def test_other_options_are_refused_by_argument(tmp_path):
    manifest = open_manifest(tmp_path, size="auto", tile=(64, 96))
    manifest.add([done(tmp_path, "a")])
    manifest.flush()
    open_manifest(tmp_path, size="auto", tile=(64, 96))
    with pytest.raises(ValueError, match="another `size` .auto, now 240.*`output_dir`"):
        open_manifest(tmp_path, size=240, tile=(64, 96))


def test_paths_that_are_not_utf8_are_escaped(tmp_path):
    manifest = open_manifest(tmp_path)
    manifest.add([Row("/in/\udcff.png", error="is no image")])
    manifest.finish()
    assert list(read(tmp_path).index) == ["/in/\\xff.png"]


def test_many_parts_are_merged_into_few_row_groups(tmp_path):
    manifest = open_manifest(tmp_path)
    for number in range(30):
        manifest.add([Row(f"/in/{number}.png", error="is no image")])
        manifest.flush()
    manifest.finish()
    file = pq.ParquetFile(tmp_path / "manifest.parquet")
    assert (file.metadata.num_rows, file.num_row_groups) == (30, 1)


@pytest.mark.parametrize("content", [b"", b"no Parquet", None])
def test_file_that_is_not_a_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.parquet"
    if content is None:
        pandas.DataFrame({"path": ["x"]}).to_parquet(path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="manifest.parquet is not the manifest"):
        open_manifest(tmp_path)
