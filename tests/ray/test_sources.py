"""Inputs with Ray: the same as without Ray, and URLs."""

import fsspec
import pytest

from keras_fcn.prediction.jobs import find_jobs
from keras_fcn.ray.sources import find_sources


@pytest.fixture
def tree(tmp_path):
    """A folder with images of one name in several subfolders, and ignored files."""
    folder = tmp_path / "in"
    for name in ("x.png", "a/x.png", "b/c/x.jpg", ".hidden/y.png", "a/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.fixture
def bucket(tree):
    """The same files at a URL."""
    file_system = fsspec.filesystem("memory")
    file_system.put(f"{tree}/", "/bucket/in/", recursive=True)
    yield "memory://bucket/in"
    file_system.rm("/bucket", recursive=True)


def test_outputs_have_the_same_names_as_without_ray(tree, tmp_path):
    output = tmp_path / "out"
    found = find_sources([str(tree)], str(output))
    jobs = find_jobs([str(tree)], output)
    assert {source: output / stem for source, stem in found.items()} == {
        str(job.path): job.stem for job in jobs
    }
    assert list(found.values()) == ["a/x", "b/c/x", "x"]


def test_outputs_of_a_list_have_the_same_subfolders_as_without_ray(
    tree, tmp_path, monkeypatch
):
    monkeypatch.chdir(tree)
    (tmp_path / "list.txt").write_text("a/x.png\nb/c/x.jpg\nmissing.png\n")
    found = find_sources([], str(tmp_path / "out"), str(tmp_path / "list.txt"))
    assert found == {
        str(tree / "a/x.png"): "a/x",
        str(tree / "b/c/x.jpg"): "b/c/x",
        str(tree / "missing.png"): "missing",  # gets a row with its error
    }


def test_url_of_a_folder_is_searched_like_a_local_folder(bucket):
    found = find_sources([f"{bucket}/?some=option"], "/out")
    assert [*found.items()] == [
        (f"{bucket}/a/x.png?some=option", "a/x"),
        (f"{bucket}/b/c/x.jpg?some=option", "b/c/x"),
        (f"{bucket}/x.png?some=option", "x"),
    ]


def test_images_of_a_url_are_sorted_by_folder(bucket):
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/in/a-b/x.png", b"")  # "-" is less than "/"
    found = find_sources([bucket], "/out")
    assert [*found.values()] == ["a/x", "a-b/x", "b/c/x", "x"]


@pytest.mark.parametrize("pattern", ["a/x.png", "a/*.png", "[a]/x.p?g"])
def test_url_of_a_file_or_glob_has_no_subfolders(bucket, pattern):
    assert find_sources([f"{bucket}/{pattern}"], "/out") == {f"{bucket}/a/x.png": "x"}


def test_outputs_of_a_list_of_urls_have_subfolders(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("s3://one/a/x.png\ns3://one/a/b/x.png\n")
    assert find_sources([], "/out", str(path)) == {
        "s3://one/a/x.png": "x",
        "s3://one/a/b/x.png": "b/x",
    }
    path.write_text("s3://one/x.png\ns3://two/x.png\n")
    found = find_sources([], "/out", str(path))
    assert list(found.values()) == ["one/x", "two/x"]
    path.write_text("s3://one/x.png\nx.png\n")
    with pytest.raises(ValueError, match="either URLs or paths only"):
        find_sources([], "/out", str(path))


def test_outputs_of_a_list_of_urls_stay_in_the_output_folder(tmp_path):
    lines = ["https://a.org/in/x.png", "https://a.org/in/../../../../y.png"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = find_sources([], str(tmp_path), str(tmp_path / "list.txt"))
    assert list(found.values()) == ["https/a.org/in/x", "y"]


def test_outputs_of_an_earlier_prediction_are_not_inputs(bucket):
    file_system = fsspec.filesystem("memory")
    file_system.pipe("/bucket/in/x_labels.png", b"")
    file_system.pipe("/bucket/in/out/x_overlay.png", b"")
    assert "x_labels" not in find_sources([bucket], bucket).values()
    found = find_sources([bucket], f"{bucket}/out")
    assert "out/x_overlay" not in found.values() and "x" in found.values()


def test_image_that_is_given_twice_is_predicted_once(tree):
    path = str(tree / "a/x.png")
    assert find_sources([path, str(tree / "a")], "/out") == {path: "x"}


def test_two_images_with_one_output_are_refused(tree, tmp_path):
    paths = [str(tree / "x.png"), str(tree / "a/x.png")]
    with pytest.raises(ValueError, match="would both be written to x_labels.png"):
        find_sources(paths, str(tmp_path / "out"))


def test_output_that_would_replace_an_input_is_refused(tree):
    (tree / "x_labels.png").write_bytes(b"")
    paths = [str(tree / "x.png"), str(tree / "x_labels.png")]
    with pytest.raises(ValueError, match="would replace the input"):
        find_sources(paths, str(tree))


@pytest.mark.parametrize("where", ["disk", "url"])
def test_videos_and_folders_without_images_are_refused(where, tree, bucket, tmp_path):
    folder = str(tree) if where == "disk" else bucket
    with pytest.raises(FileNotFoundError, match="no image"):
        find_sources([f"{folder}/a/*.txt" if where == "url" else f"{tree}/no"], "/out")
    fsspec.filesystem("memory").pipe("/bucket/in/film.mp4", b"")
    (tree / "film.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match="`ray` predicts images only.*film.mp4"):
        find_sources([folder], "/out")
