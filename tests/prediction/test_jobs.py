"""Files from paths, folders, globs and lists, and the paths of their outputs."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fcn.prediction.jobs import check_stems, find_jobs


def save_image(path, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3))
    Image.fromarray(pixels.astype("uint8")).convert(mode).save(path)
    return path


def test_an_output_folder_inside_the_input_is_not_searched(tmp_path):
    save_image(tmp_path / "in/x.png")
    save_image(tmp_path / "in/out/x_overlay.png")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "in/out")
    assert [job.path.name for job in jobs] == ["x.png"]


@pytest.mark.parametrize("output", ["in", "."])
def test_the_output_may_be_the_searched_folder_or_above_it(tmp_path, output):
    save_image(tmp_path / "in/x.png")
    save_image(tmp_path / "in/sub/y.png")
    if output == "in":
        save_image(tmp_path / "in/x_overlay.png")  # output of an earlier prediction
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / output)
    assert sorted(job.path.name for job in jobs) == ["x.png", "y.png"]


def test_links_to_folders_are_followed_once(tmp_path, time_limit):
    save_image(tmp_path / "elsewhere/x.png")
    save_image(tmp_path / "in/sub/y.png")
    save_image(tmp_path / "in/z/z.png")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "in")
    for name, target in (("link", "../../elsewhere"), ("self", "."), ("up", "..")):
        (tmp_path / "in/sub" / name).symlink_to(target)
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out")
    stems = sorted(str(job.stem.relative_to(tmp_path)) for job in jobs)
    assert stems == ["out/sub/link/x", "out/sub/y", "out/z/z"]


def test_a_folder_that_was_searched_through_a_link_keeps_its_name(tmp_path):
    save_image(tmp_path / "in/b/z/x.png")
    (tmp_path / "in/a").mkdir()
    (tmp_path / "in/a/link").symlink_to("../b/z")
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out")
    assert tmp_path / "out/b/z/x" in [job.stem for job in jobs]


def test_an_output_folder_behind_a_link_is_not_searched(tmp_path):
    save_image(tmp_path / "in/x.png")
    save_image(tmp_path / "out/x_overlay.png")
    (tmp_path / "in/link").symlink_to(tmp_path / "out")
    (tmp_path / "in/y.png").symlink_to(save_image(tmp_path / "out/y.png"))
    jobs = find_jobs([str(tmp_path / "in")], tmp_path / "out")
    assert [job.path.name for job in jobs] == ["x.png", "y.png"]


def test_globs_are_expanded(tmp_path):
    save_image(tmp_path / "a.png")
    save_image(tmp_path / "b.png")
    jobs = find_jobs([str(tmp_path / "*.png"), str(tmp_path / "a.png")], tmp_path / "o")
    assert [job.path.name for job in jobs] == ["a.png", "b.png"]


def test_a_file_under_two_names_is_predicted_once(tmp_path, monkeypatch):
    save_image(tmp_path / "b/a.png")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(f"b/a.png\nb/../b/a.png\n{tmp_path}/b/a.png\n")
    (job,) = find_jobs([], tmp_path / "o", "list.txt")
    assert (job.path, job.labels_path()) == (
        Path("b/a.png"),
        tmp_path / "o/a_labels.png",
    )


def test_a_name_with_brackets_is_a_file_before_it_is_a_glob(tmp_path):
    save_image(tmp_path / "a[1].png")
    jobs = find_jobs([str(tmp_path / "a[1].png")], tmp_path / "out")
    assert len(jobs) == 1


@pytest.mark.parametrize("name", ["no.png", "no/*.png"])
def test_a_missing_input_is_refused(tmp_path, name):
    save_image(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError, match="There is no image, folder or match"):
        find_jobs([str(tmp_path / "a.png"), str(tmp_path / name)], tmp_path / "out")


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no images or videos in the folder"):
        find_jobs([str(tmp_path)], tmp_path / "out")


def test_two_images_with_the_same_output_are_refused(tmp_path):
    save_image(tmp_path / "a/x.png")
    save_image(tmp_path / "b/x.jpg")
    with pytest.raises(ValueError, match="would both be written to"):
        check_stems(
            find_jobs(
                [str(tmp_path / "a/x.png"), str(tmp_path / "b/x.jpg")], tmp_path / "o"
            )
        )


def test_images_are_found_by_content_and_other_files_are_named(
    tmp_path, time_limit, caplog
):
    folder = tmp_path / "in"
    for name in ("a.JPG_large", "b.jfif", "c", "d.png"):
        save_image(folder / "image.png").rename(folder / name)
    (folder / "notes.txt").write_text("words")
    (folder / "e.heic").write_bytes(b"x")
    os.mkfifo(folder / "pipe")
    (folder / "gone.png").symlink_to("nowhere.png")
    jobs = find_jobs([str(folder)], tmp_path / "out")
    assert [job.path.name for job in jobs] == ["a.JPG_large", "b.jfif", "c", "d.png"]
    (line,) = caplog.messages
    assert line == (
        f"4 files in {folder} are neither images nor videos and are left out: e.heic; "
        "gone.png; notes.txt; and 1 more"
    )


def test_outputs_of_a_list_stay_in_the_output_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["in/a.png", "in/../../b.png", f"/{tmp_path}/in/c.png", "./in/d/e.png"]
    Path("list.txt").write_text("\n".join(lines))
    jobs = find_jobs([], Path("out"), "list.txt")
    below = f"out/{tmp_path.name}"
    stems = [f"{below}/in/a", "out/b", f"{below}/in/c", f"{below}/in/d/e"]
    assert [str(job.stem) for job in jobs] == stems


def test_the_list_of_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text(str(tmp_path / "empty"))
    with pytest.raises(FileNotFoundError, match="list.txt: There are no images or vid"):
        find_jobs([], tmp_path / "out", str(tmp_path / "list.txt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.png\nhttp://me:secret@host/x.png?key\n", "Received: http://host/x.png"),
        ("a.png\0b.png\0", "must be separated by line breaks, not NUL"),
        (None, "must be a text file. Received: a folder"),
    ],
)
def test_lists_of_anything_but_paths_are_refused(tmp_path, content, message):
    path = tmp_path / "list"
    path.mkdir() if content is None else path.write_text(content)
    with pytest.raises((ValueError, OSError)) as caught:
        find_jobs([], tmp_path / "out", str(path))
    assert str(caught.value).startswith(f"The list {path} must ")
    assert str(caught.value).endswith(message)
