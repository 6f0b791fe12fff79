"""Files with several images."""

import numpy as np
import pytest
from PIL import Image

from keras_fcn.images import frames
from keras_fcn.images.frames import check_pages, read_frames
from keras_fcn.images.opening import UnreadableImage


def save(path, count, size=(8, 6)):
    """Write a file of `count` different images."""
    shades = [Image.new("L", size, 10 * index) for index in range(count)]
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    shades[0].save(path, save_all=True, append_images=shades[1:], **lossless)
    return path


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_all_images_are_read(tmp_path, name):
    read = list(read_frames(save(tmp_path / name, 3)))
    assert [index for index, _ in read] == [0, 1, 2]
    assert [round(image.mean()) for _, image in read] == [0, 10, 20]


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.webp", "a.png"])
def test_pixels_of_all_images_are_limited(tmp_path, name):
    path = save(tmp_path / name, 20)
    assert len(list(read_frames(path, max_pixels=96))) == 20  # 20 * 48 of 960
    with pytest.raises(UnreadableImage, match="Received: 20 images of 8x6") as caught:
        next(read_frames(path, max_pixels=95))
    assert f"{path} must have at most 10000 images and 950 pixels" in str(caught.value)


def test_number_of_images_is_limited(tmp_path, monkeypatch):
    path = save(tmp_path / "a.gif", 4)
    monkeypatch.setattr(frames, "_MAX_FRAMES", 4)
    assert len(list(read_frames(path))) == 4
    monkeypatch.setattr(frames, "_MAX_FRAMES", 3)
    with pytest.raises(UnreadableImage, match="at most 3 images.*4 images of 8x6"):
        next(read_frames(path))


def test_a_later_image_of_too_many_pixels_is_refused(tmp_path):
    page, path = Image.new("L", (8, 6)), tmp_path / "a.tif"
    page.save(path, save_all=True, append_images=[page.resize((9, 6))])
    read = read_frames(path, max_pixels=48)
    assert next(read)[0] == 0
    with pytest.raises(UnreadableImage, match="at most 48 pixels.*Received: 9x6"):
        next(read)


def test_smaller_copies_in_a_tiff_are_skipped(tmp_path):
    page, path = Image.new("L", (8, 6), 50), tmp_path / "a.tif"
    copy = page.resize((4, 3))
    copy.encoderinfo = {"tiffinfo": {254: 1}}  # NewSubfileType: of reduced resolution
    page.save(path, save_all=True, append_images=[copy])
    ((_, image),) = read_frames(path)
    assert image.shape == (6, 8, 3)
    check_pages(path)
    with pytest.raises(UnreadableImage, match="has 2 pages of 8x6"):
        check_pages(save(path, 2))


def test_a_single_image_has_no_index(tmp_path):
    Image.fromarray(np.zeros((6, 8), "uint8")).save(tmp_path / "a.png")
    ((index, image),) = read_frames(tmp_path / "a.png")
    assert index is None and image.shape == (6, 8, 3)
