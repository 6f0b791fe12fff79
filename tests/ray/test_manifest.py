"""The manifest: parts, resuming, and one row for each image."""

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from keras_fcn.ray.manifest import Manifest, row_schema

NAMES = ("road", "sky")


def open_manifest(folder, **settings):
    return Manifest(str(folder), NAMES, {"model": "abc", **settings})


def table(*rows):
    return pa.Table.from_pylist(list(rows), row_schema(NAMES))


def done(folder, stem, frame=None):
    """The row of an image that was predicted, with its label map."""
    name = f"{stem}_labels.png" if frame is None else f"{stem}_labels/{frame:06}.png"
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"")
    return {
        "path": f"/in/{stem}.png", "frame": frame, "status": "done", "output": name,
        "height": 3, "width": 4, "seconds": 0.5, "confidence": 0.75,
        "share_road": 0.25, "share_sky": 0.5, "share_void": 0.25,
    }  # fmt: skip


def failed(stem, frame=None):
    row = {"status": "error", "error": "is no image"}
    return {"path": f"/in/{stem}.png", "frame": frame, **row}


def waiting(*stems):
    return {f"/in/{stem}.png": stem for stem in stems}


def read(folder):
    return pandas.read_parquet(folder / "manifest.parquet").set_index("path")


def test_manifest_is_read_by_pandas_with_a_column_for_each_class(tmp_path):
    manifest = open_manifest(tmp_path)
    manifest.add(table(done(tmp_path, "a"), failed("b")))
    manifest.finish()
    found = read(tmp_path)
    row = found.loc["/in/a.png"]
    assert (row.status, row.output, row.height, row.width) == (
        "done", "a_labels.png", 3, 4,
    )  # fmt: skip
    assert (row.seconds, row.confidence) == (0.5, 0.75)
    assert tuple(row[["share_road", "share_sky", "share_void"]]) == (0.25, 0.5, 0.25)
    row = found.loc["/in/b.png"]
    assert (row.status, row.error) == ("error", "is no image")
    assert pandas.isna(row.share_road)
    assert not (tmp_path / "manifest.parts").exists()


def test_written_parts_of_a_killed_prediction_are_done(tmp_path):
    killed = open_manifest(tmp_path)
    killed.add(table(done(tmp_path, "a"), failed("bad")))
    killed.flush()
    lost = done(tmp_path, "c")
    killed.add(table(done(tmp_path, "b"), lost))
    killed.flush()
    (tmp_path / lost["output"]).unlink()
    done(tmp_path, "d")  # its label map exists, its row is missing
    again = open_manifest(tmp_path)
    stems = waiting("a", "b", "bad", "c", "d")
    assert again.resume(stems) == 2
    assert stems == waiting("bad", "c", "d")
    again.add(table(*(done(tmp_path, stem) for stem in stems.values())))
    again.finish()
    found = read(tmp_path)
    assert sorted(found.index) == sorted(waiting("a", "b", "bad", "c", "d"))
    assert set(found.status) == {"done"}


def test_parts_may_be_listed_in_any_order(tmp_path, monkeypatch):
    killed, stems = open_manifest(tmp_path), ("a", "b", "c")
    for stem in stems:
        killed.add(table(done(tmp_path, stem)))
        killed.flush()
    list_parts = Manifest._parts

    def last_first(manifest):
        return sorted(list_parts(manifest), key=lambda info: info.path, reverse=True)

    monkeypatch.setattr(Manifest, "_parts", last_first)
    open_manifest(tmp_path).finish()
    assert sorted(read(tmp_path).index) == sorted(waiting(*stems))


def test_a_part_is_written_when_it_is_due(tmp_path, monkeypatch):
    manifest = open_manifest(tmp_path)
    manifest.add(table(done(tmp_path, "a")))
    assert not (tmp_path / "manifest.parts").exists()
    monkeypatch.setattr("keras_fcn.ray.manifest._SECONDS_PER_PART", 0)
    manifest.add(table(done(tmp_path, "b")))
    (part,) = (tmp_path / "manifest.parts").iterdir()
    assert pq.read_metadata(part).num_rows == 2


def test_a_part_is_written_when_it_has_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_fcn.ray.manifest._ROWS_PER_PART", 3)
    manifest = open_manifest(tmp_path)
    manifest.add(table(failed("a"), failed("b")))
    assert not (tmp_path / "manifest.parts").exists()
    manifest.add(table(failed("c")))
    (part,) = (tmp_path / "manifest.parts").iterdir()
    assert pq.read_metadata(part).num_rows == 3


def test_images_of_a_finished_prediction_are_done(tmp_path):
    first = open_manifest(tmp_path)
    first.add(table(done(tmp_path, "a")))
    first.finish()
    stems = waiting("a")
    second = open_manifest(tmp_path)
    assert second.resume(stems) == 1 and not stems
    second.finish()
    assert len(read(tmp_path)) == 1


def test_interrupted_removal_of_the_parts_duplicates_no_row(tmp_path):
    manifest = open_manifest(tmp_path)
    manifest.add(table(done(tmp_path, "a"), done(tmp_path, "b")))
    manifest.flush()
    (part,) = (tmp_path / "manifest.parts").iterdir()
    content = part.read_bytes()
    manifest.finish()
    part.parent.mkdir()
    part.write_bytes(content)
    again = open_manifest(tmp_path)
    again.add(table(done(tmp_path, "c")))
    again.finish()
    assert sorted(read(tmp_path).index) == sorted(waiting("a", "b", "c"))


def test_rows_of_another_prediction_into_the_folder_are_kept(tmp_path):
    first = open_manifest(tmp_path)
    first.add(table(done(tmp_path, "a"), failed("bad")))
    first.finish()
    stems = waiting("other")
    second = open_manifest(tmp_path)
    assert second.resume(stems) == 0
    second.add(table(done(tmp_path, "other")))
    second.finish()
    assert sorted(read(tmp_path).index) == sorted(waiting("a", "bad", "other"))


def test_file_with_several_frames_is_done_when_all_of_them_are(tmp_path):
    first = open_manifest(tmp_path)
    first.add(table(done(tmp_path, "whole", 0), done(tmp_path, "whole", 1)))
    first.add(table(done(tmp_path, "cut", 0), failed("cut", 1)))
    first.finish()
    stems = waiting("whole", "cut")
    second = open_manifest(tmp_path)
    assert second.resume(stems) == 1
    assert stems == waiting("cut")
    assert list(read(tmp_path).index) == ["/in/whole.png"] * 2


@pytest.mark.parametrize("missing", [0, 1])
def test_file_with_several_frames_needs_all_of_its_label_maps(tmp_path, missing):
    first = open_manifest(tmp_path)
    rows = [done(tmp_path, "a", 0), done(tmp_path, "a", 1)]
    first.add(table(*rows))
    first.finish()
    (tmp_path / rows[missing]["output"]).unlink()
    stems = waiting("a")
    assert open_manifest(tmp_path).resume(stems) == 0
    assert stems == waiting("a")


def test_image_with_another_output_path_is_predicted_again_with_one_row(tmp_path):
    first = open_manifest(tmp_path)
    first.add(table(done(tmp_path, "a")))
    first.finish()
    stems = {"/in/a.png": "sub/a"}
    second = open_manifest(tmp_path)
    assert second.resume(stems) == 0 and stems
    second.add(table({**done(tmp_path, "sub/a"), "path": "/in/a.png"}))
    second.finish()
    assert list(read(tmp_path).output) == ["sub/a_labels.png"]


def test_other_options_are_refused_by_argument(tmp_path):
    manifest = open_manifest(tmp_path, size="auto", tile=(64, 96))
    manifest.add(table(done(tmp_path, "a")))
    manifest.flush()
    open_manifest(tmp_path, size="auto", tile=(64, 96))
    with pytest.raises(ValueError, match="another `size` .auto, now 240.*`output_dir`"):
        open_manifest(tmp_path, size=240, tile=(64, 96))


def test_paths_that_are_not_utf8_are_escaped(tmp_path):
    first = open_manifest(tmp_path)
    row = done(tmp_path, "\udcff")
    first.add(table({**row, "path": "/in/\\xff.png", "output": "\\xff_labels.png"}))
    first.finish()
    stems = waiting("\udcff")
    assert open_manifest(tmp_path).resume(stems) == 1 and not stems


def test_many_parts_are_merged_into_few_row_groups(tmp_path):
    manifest = open_manifest(tmp_path)
    for number in range(30):
        manifest.add(table(failed(str(number))))
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
