"""Files on a disk and by URL."""

import fsspec
import pytest

from keras_fcn.ray_prediction.sources import find_sources
from keras_fcn.ray_prediction.storage import (
    Storage,
    absolute,
    is_url,
    root_of,
    without_options,
)


@pytest.mark.parametrize(
    ("url", "root", "name"),
    [
        ("s3://bucket/a/b.png", "s3://bucket", "s3://bucket/a/b.png"),
        ("gs://bucket", "gs://bucket", "gs://bucket"),
        ("s3://bucket/a/?region=eu-1", "s3://bucket?region=eu-1", "s3://bucket/a"),
        ("s3://bucket/a?.png", "s3://bucket", "s3://bucket/a?.png"),  # a glob
        ("local:///a/b", "local://", "local:///a/b"),
    ],
)
def test_options_of_a_url_are_part_of_the_root(url, root, name):
    assert root_of(url) == root
    assert without_options(url) == name


def test_paths_and_file_urls_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_url("C:/images") and not is_url("a/b.png")
    assert absolute("a") == str(tmp_path / "a")
    assert absolute("file:///a/b") == "/a/b"
    assert absolute("s3://bucket/a") == "s3://bucket/a"


@pytest.mark.parametrize("kind", ["memory://storage", "local", "disk"])
def test_file_is_written_listed_and_read(kind, tmp_path):
    folder = {"local": f"local://{tmp_path}", "disk": str(tmp_path)}.get(kind, kind)
    storage = Storage(root_of(folder) if is_url(folder) else "")
    name = f"{folder}/sub/file.bin"
    storage.write(name, b"first")
    storage.write(name, b"second")
    assert storage.read(name) == b"second"
    assert list(storage.files(folder)) == [name]  # and no partial files
    assert storage.exists(name) and not storage.exists(f"{folder}/other")
    storage.remove_folder(f"{folder}/sub")
    assert not storage.exists(name)


def test_missing_folder_is_an_error_with_its_url():
    with pytest.raises(FileNotFoundError, match="memory://storage/none"):
        list(Storage("memory://storage").files("memory://storage/none"))


@pytest.mark.parametrize("root", ["foo://bucket", "ftp://host"])
def test_unsupported_scheme_is_a_one_line_error(root, monkeypatch):
    def missing(url, **options):
        raise ImportError("Install ftpfs")

    if root.startswith("ftp"):
        monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(ValueError, match=f"no file system for {root[:3]}://") as caught:
        Storage(root)
    assert "\n" not in str(caught.value)


def test_object_store_is_searched_written_and_read(monkeypatch):
    server_module = pytest.importorskip("moto.server", reason="needs moto[server]")
    boto3 = pytest.importorskip("boto3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = server_module.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        options = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        url = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(
            Bucket="bucket"
        )
        storage = Storage(f"s3://bucket?{options}")
        storage.write("s3://bucket/in/sub/a b.png", b"content")
        storage.write("s3://bucket/in/c.png", b"other")
        assert sorted(storage.files("s3://bucket/in")) == [
            "s3://bucket/in/c.png",
            "s3://bucket/in/sub/a b.png",
        ]
        assert storage.read("s3://bucket/in/sub/a b.png") == b"content"
        found = find_sources([f"s3://bucket/in/?{options}"], "/out").by_stem
        assert found == {
            "c": "s3://bucket/in/c.png",
            "sub/a b": "s3://bucket/in/sub/a b.png",
        }
        storage.remove_folder("s3://bucket/in/sub")
        assert list(storage.files("s3://bucket/in")) == ["s3://bucket/in/c.png"]
    finally:
        server.stop()
