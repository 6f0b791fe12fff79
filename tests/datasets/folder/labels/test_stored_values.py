"""The ids and colors of a user's label files: kept, written by predictions, read."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_fcn.classes import ClassMap
from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.dataset import load_folder
from keras_fcn.images.encoding import encode_stored_labels
from keras_fcn.images.reading import read_stored_values
from tests.support.folders import write_pairs

SPLITS = ("train", "val")
IDS = "id,name\n0,void\n7,road\n11,building\n26,car\n"
COLORS = "name,r,g,b\nroad,128,64,128\nvoid,0,0,9\nsky,70,130,180\n"
ROAD, SKY, VOID = (128, 64, 128), (70, 130, 180), (0, 0, 9)


@pytest.mark.parametrize(
    ("values", "table", "stored", "void"),
    [
        ((7, 11, 26, 0), IDS, (7, 11, 26), 0),
        ((7, 11, 26, 255), IDS.replace("0,void\n", ""), (7, 11, 26), 255),
        ((256, 7), "id,name\n256,a\n7,b\n", (256, 7), 255),
        ((255, 7), "id,name\n255,a\n7,b\n", (255, 7), 0),
        ((0, 1, 2), None, (0, 1, 2), 255),
        ((0, 255), None, (0, 255), 1),
        ([ROAD, SKY, VOID], COLORS, (ROAD, SKY), VOID),
        ([ROAD, SKY], COLORS.replace("void,0,0,9\n", ""), (ROAD, SKY), (0, 0, 0)),
    ],
)
def test_label_maps_are_restored_and_read_without_a_table(
    tmp_path, values, table, stored, void
):
    dtype = "uint16" if np.max(values) > 255 else "uint8"
    write_pairs(tmp_path / "images", tmp_path / "labels", "abcd", values, dtype=dtype)
    if table is not None:
        (tmp_path / "class_dict.csv").write_text(table)
    dataset = load_folder(tmp_path, SPLITS)
    class_map = dataset.class_map
    assert (class_map.stored_values, class_map.stored_void) == (stored, void)

    class_map.save(tmp_path / "classes.json")
    class_map = ClassMap.load(tmp_path / "classes.json")
    example = next(iter(dataset.split("train").examples))
    path = tmp_path / "stored.png"
    path.write_bytes(encode_stored_labels(example["label_map"].numpy(), class_map))
    mask = tmp_path / f"labels/{example['name'].numpy().decode()}.png"
    np.testing.assert_array_equal(read_stored_values(path), read_stored_values(mask))

    # In a later evaluation, the folder may lack the table.
    (tmp_path / "class_dict.csv").unlink(missing_ok=True)
    options = TrainingConfig(label_values=dataset.label_values)
    again = load_folder(tmp_path, ("train", "val"), class_map, options)
    assert again.class_map.names == class_map.names
    for one, other in zip(
        dataset.split("train").examples, again.split("train").examples, strict=True
    ):
        np.testing.assert_array_equal(one["label_map"], other["label_map"])


def test_ids_up_to_255_have_the_colors_of_their_classes():
    class_map = ClassMap(
        ("a", "b"), (ROAD, SKY), 255, stored_values=(7, 26), stored_void=0
    )
    content = encode_stored_labels(np.array([[0, 1, 255]]), class_map)
    image = Image.open(io.BytesIO(content))
    np.testing.assert_array_equal(np.asarray(image), [[7, 26, 0]])
    colors = [ROAD, SKY, (0, 0, 0)]
    np.testing.assert_array_equal(np.asarray(image.convert("RGB"))[0], colors)


def test_a_network_without_stored_ids_is_refused():
    class_map = ClassMap(("a", "b"), (ROAD, SKY), 255)
    with pytest.raises(
        ValueError, match="The network has no stored ids: .*`ids` class"
    ):
        encode_stored_labels(np.array([[0]]), class_map)


@pytest.mark.parametrize(
    "changes",
    [
        {"stored_values": (7,), "stored_void": 0},
        {"stored_values": (7, 8)},
        {"stored_values": (7, ROAD), "stored_void": 0},
        {"stored_values": (7, 70_000), "stored_void": 0},
    ],
)
def test_stored_values_that_do_not_fit_the_classes_are_refused(changes):
    with pytest.raises(ValueError, match="stored_values"):
        ClassMap(("a", "b"), (ROAD, SKY), 255, **changes)
