"""Files on a disk and by URL."""

import fsspec
import pytest
from pyarrow import fs

from keras_fcn.ray import storage
from keras_fcn.ray.sources import find_sources
from keras_fcn.ray.storage import (
    absolute,
    child,
    is_url,
    list_files,
    locate,
    options_of,
    read,
    without_options,
    write,
)


@pytest.mark.parametrize(
    ("url", "options", "name"),
    [
        ("s3://bucket/a/b.png", "", "s3://bucket/a/b.png"),
        ("gs://bucket", "", "gs://bucket"),
        ("s3://bucket/a/?region=eu-1", "?region=eu-1", "s3://bucket/a"),
        ("s3://bucket/a?.png", "", "s3://bucket/a?.png"),  # a glob
        ("local:///a/b", "", "local:///a/b"),
        ("/a/b?x=1", "", "/a/b?x=1"),  # a path
    ],
)
def test_options_of_a_url_are_not_part_of_its_name(url, options, name):
    assert (options_of(url), without_options(url)) == (options, name)
    assert child(url, "c.png") == f"{name}/c.png{options}"


def test_paths_and_file_urls_are_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_url("C:/images") and not is_url("a/b.png")
    assert absolute("a") == str(tmp_path / "a")
    assert absolute("file:///a/b") == "/a/b"
    assert absolute("s3://bucket/a") == "s3://bucket/a"


@pytest.mark.parametrize("kind", ["memory://storage", "local", "disk"])
def test_file_is_written_listed_and_read(kind, tmp_path):
    folder = {"local": f"local://{tmp_path}", "disk": str(tmp_path)}.get(kind, kind)
    name = f"{folder}/sub/file.bin"
    write(name, b"first")
    write(name, b"second")
    assert read(name) == b"second"
    assert list(list_files(folder)) == [name]  # and no partial files
    assert not is_url(name) or list(list_files(name)) == [name]
    file_system, path = locate(name)
    file_system.delete_file(path)


def test_missing_folder_is_an_error_with_its_url():
    with pytest.raises(FileNotFoundError, match="memory://storage/none"):
        list(list_files("memory://storage/none"))


def test_file_system_that_cannot_rename_is_a_one_line_error(monkeypatch):
    class Fixed(fs.FSSpecHandler):
        def move(self, source, target):
            raise NotImplementedError

    fixed = fs.PyFileSystem(Fixed(fsspec.filesystem("memory")))
    monkeypatch.setattr(storage, "_open", lambda root, options: (fixed, "/fixed"))
    with pytest.raises(OSError, match="fixed://x/a.png .* cannot rename files"):
        write("fixed://x/a.png", b"content")
    assert list(list_files("fixed://x")) == []


@pytest.mark.parametrize("root", ["foo://bucket", "ftp://host"])
def test_unsupported_scheme_is_a_one_line_error(root, monkeypatch):
    def missing(url, **options):
        raise ImportError("Install ftpfs")

    if root.startswith("ftp"):
        monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(ValueError, match=f"no file system for {root[:3]}://") as caught:
        locate(root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", ["region=eu-1&scheme=gopher", "x" * 300 + "=1"])
def test_options_that_a_file_system_refuses_are_a_short_error(options):
    with pytest.raises(ValueError, match="s3://bucket cannot be opened") as caught:
        locate(f"s3://bucket/in?{options}")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


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
        write(f"s3://bucket/in/sub/a b.png?{options}", b"content")
        write(f"s3://bucket/in/c.png?{options}", b"other")
        assert sorted(list_files(f"s3://bucket/in?{options}")) == [
            "s3://bucket/in/c.png",
            "s3://bucket/in/sub/a b.png",
        ]
        assert read(f"s3://bucket/in/sub/a b.png?{options}") == b"content"
        assert find_sources([f"s3://bucket/in/?{options}"], "/out") == {
            f"s3://bucket/in/c.png?{options}": "c",
            f"s3://bucket/in/sub/a b.png?{options}": "sub/a b",
        }
        with pytest.raises(OSError, match="NO_SUCH_BUCKET"):
            write(f"s3://none/in/c.png?{options}", b"content")
    finally:
        server.stop()
