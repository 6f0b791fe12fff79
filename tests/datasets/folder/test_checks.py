"""Labels that do not fit their images."""

import pytest
from PIL import Image

from keras_fcn.datasets.folder.read import read_folder
from tests.support.folders import write_image, write_labels, write_pairs


def photograph(folder, orientation, stored, label_size):
    """A folder with an image that its EXIF orientation turns."""
    write_pairs(folder / "images", folder / "labels", "abc")
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_image(folder / "images/turned.jpg", stored, exif=exif)
    write_labels(folder / "labels/turned.png", size=label_size)
    return read_folder(folder)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_labels_in_the_stored_orientation_are_named(tmp_path, orientation):
    data = photograph(tmp_path, orientation, (32, 40), (32, 40))
    with pytest.raises(
        ValueError, match="1 label maps are turned as the stored photograph is"
    ):
        data.refuse_problems()


def test_labels_of_the_upright_photograph_fit(tmp_path):
    photograph(tmp_path, 6, (32, 40), (40, 32)).refuse_problems()


@pytest.mark.parametrize(
    ("orientation", "size"), [(3, (32, 40)), (4, (32, 40)), (6, (32, 32))]
)
def test_a_turned_image_whose_size_stays_the_same_is_noted(tmp_path, orientation, size):
    data = photograph(tmp_path, orientation, size, size)
    data.refuse_problems()
    [problem] = [one for one in data.problems if one.kind == "maybe-turned"]
    assert "labels/turned.png" in problem.message


def test_labels_of_another_size_are_named(tmp_path):
    data = photograph(tmp_path, 1, (32, 40), (30, 40))
    with pytest.raises(ValueError, match="turned.png is 40x30, its image 40x32"):
        data.refuse_problems()
