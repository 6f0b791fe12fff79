"""The rules for reading labels: one decision for all files, or a refusal."""

import re

import numpy as np
import pytest
from PIL import Image

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.folder.labels.encoding import RULES
from keras_fcn.datasets.folder.read import read_folder
from keras_fcn.datasets.folder.report import format_report, report
from tests.support.folders import write_image, write_labels

GREYS = "name,r,g,b\nbackground,0,0,0\nobject,255,255,255\n"


def read(folder, *labels, table=None, **options):
    """Read a folder whose label maps have these values."""
    for index, values in enumerate(labels):
        write_image(folder / f"images/{index}.png")
        if isinstance(values, dict):
            write_labels(folder / f"labels/{index}.png", **values)
        elif isinstance(values, Image.Image):
            (folder / "labels").mkdir(exist_ok=True)
            values.save(folder / f"labels/{index}.{values.format.lower()}")
        else:
            write_labels(folder / f"labels/{index}.png", values)
    if table is not None:
        (folder / "class_dict.csv").write_text(table)
    options = TrainingConfig(**options) if options else None
    return read_folder(folder, options=options)


def decoded(data):
    """Different class ids of each label map, by name."""
    samples = [sample for samples in data.splits.values() for sample in samples]
    return {
        sample.name: np.unique(data.read_sample(sample)[1]).tolist()
        for sample in sorted(samples)
    }


def refusal(data):
    with pytest.raises(ValueError) as caught:
        data.refuse_problems()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ids_are_classes_and_255_is_void(tmp_path):
    data = read(tmp_path, (0, 1, 2), (0, 2, 255))
    data.refuse_problems()
    assert data.encoding.kind == "ids"
    assert decoded(data) == {"0": [0, 1, 2], "1": [0, 2, 255]}
    assert data.encoding.class_map.names == ("class_0", "class_1", "class_2")


def test_palettes_with_other_colors_for_an_index_are_refused(tmp_path):
    red_green, green_red = (
        {"values": values, "palette": [(0, 0, 0), *colors]}
        for values, *colors in (
            ((0, 1, 2), (255, 0, 0), (0, 255, 0)),
            ((0, 2, 1), (0, 255, 0), (255, 0, 0)),
        )
    )
    data = read(tmp_path, red_green, green_red)
    assert "other colors for the same index" in refusal(data)
    assert "name,r,g,b\nclass_0,0,0,0" in format_report(data, report(data, None))
    data = read(tmp_path, red_green, green_red, label_values="ids")
    data.refuse_problems()
    table = "name,r,g,b\nbackground,0,0,0\nred,255,0,0\ngreen,0,255,0\n"
    data = read(tmp_path, red_green, green_red, table=table, label_values="colors")
    first, second = (data.read_sample(part[0])[1] for part in data.splits.values())
    np.testing.assert_array_equal(first, second)


def test_black_and_white_is_background_and_object(tmp_path):
    data = read(tmp_path, (0, 255), (0, 255), (0,))
    data.refuse_problems()
    assert data.encoding.class_map.names == ("background", "object")
    assert decoded(data) == {"0": [0, 1], "1": [0, 1], "2": [0]}
    words = "black and white: 0 is background, 255 is object"
    assert data.decisions[-1].endswith(words)


def test_black_and_white_is_read_with_the_classes_of_a_run(tmp_path):
    run = read(tmp_path, (0, 255), (0, 255)).encoding.class_map
    data = read_folder(tmp_path, class_map=run)
    data.refuse_problems()
    assert decoded(data) == {"0": [0, 1], "1": [0, 1]}


def test_black_and_white_has_the_names_of_a_table_without_colors(tmp_path):
    (tmp_path / "classes.txt").write_text("skin\nlesion\n")
    data = read(tmp_path, (0, 255), (0, 255))
    assert data.encoding.class_map.names == ("skin", "lesion")
    assert data.encoding.kind == "black-white"


def test_a_table_with_white_only_is_refused_with_both_readings(tmp_path):
    message = refusal(read(tmp_path, (0, 255), (0, 255), table="road,255,255,255\n"))
    assert "can be read as ids, the lines of class_dict.csv" in message
    assert "or as colors, as in class_dict.csv, which lacks 0,0,0" in message
    assert "`label_values`" in message


def test_a_file_of_0_and_255_in_a_set_of_ids_keeps_its_void(tmp_path):
    data = read(tmp_path, (0, 1, 255), (0, 255), (0, 1), table=GREYS)
    data.refuse_problems()
    assert data.encoding.kind == "ids"
    assert decoded(data)["1"] == [0, 255]


def test_files_of_0_1_and_files_of_0_255_are_refused_with_both_readings(tmp_path):
    message = refusal(read(tmp_path, (0, 1), (0, 255), (0, 1)))
    assert "ids, 255 is void; or as black and white in some files" in message
    data = read(tmp_path, label_values="ids")
    assert decoded(data)["1"] == [0, 255]


def test_gray_values_are_colors_if_the_table_has_them_all(tmp_path):
    data = read(tmp_path, (0, 255), (255, 0), table=GREYS)
    data.refuse_problems()
    assert data.encoding.kind == "colors"
    assert decoded(data) == {"0": [0, 1], "1": [0, 1]}


def test_ids_are_the_lines_of_a_table_without_ids(tmp_path):
    data = read(tmp_path, (0, 1), (0, 1), table=GREYS)
    assert data.encoding.kind == "ids"
    assert decoded(data) == {"0": [0, 1], "1": [0, 1]}


def test_grays_that_are_also_lines_of_the_table_are_refused(tmp_path):
    table = "name,r,g,b\none,1,1,1\nzero,0,0,0\n"
    message = refusal(read(tmp_path, (0, 1), (0, 1), table=table))
    assert "as colors, as in class_dict.csv; or as ids, the lines" in message
    data = read(tmp_path, label_values="ids")
    assert data.encoding.class_map.names == ("one", "zero")
    data.refuse_problems()


def test_colors_are_read_by_the_table(tmp_path):
    table = "name,r,g,b\nroad,128,64,128\nvoid,0,0,0\nsky,1,2,3\n"
    colors = [(128, 64, 128), (0, 0, 0), (1, 2, 3)]
    data = read(tmp_path, colors, colors[::-1], table=table)
    data.refuse_problems()
    assert decoded(data) == {"0": [0, 1, 255], "1": [0, 1, 255]}


def test_rgba_and_palette_and_gray_files_may_be_mixed_by_color(tmp_path):
    table = "name,r,g,b\nroad,128,64,128\nsky,7,7,7\n"
    palette = np.zeros((256, 3), "uint8")
    palette[[3, 4]] = (128, 64, 128), (7, 7, 7)
    data = read(
        tmp_path,
        [(128, 64, 128, 255), (7, 7, 7, 255)],
        {"values": (3, 4), "palette": palette},
        (7, 7),
        table=table,
    )
    data.refuse_problems()
    assert decoded(data) == {"0": [0, 1], "1": [0, 1], "2": [1]}


def test_a_palette_with_two_readings_is_refused(tmp_path):
    palette = np.zeros((256, 3), "uint8")
    palette[[0, 1]] = (9, 8, 7), (1, 2, 3)
    masks = [{"values": (0, 1), "palette": palette}] * 2
    message = refusal(read(tmp_path, *masks, table="a,1,2,3\nb,9,8,7\n"))
    assert "can be read as colors, as in class_dict.csv; or as ids" in message


def test_a_palette_in_the_order_of_the_table_is_read(tmp_path):
    palette = np.zeros((256, 3), "uint8")
    palette[[0, 1]] = (9, 8, 7), (1, 2, 3)
    masks = [{"values": (0, 1), "palette": palette}] * 2
    data = read(tmp_path, *masks, table="a,9,8,7\nb,1,2,3\n")
    data.refuse_problems()
    assert decoded(data) == {"0": [0, 1], "1": [0, 1]}


def test_classes_have_the_colors_of_the_palette(tmp_path):
    palette = np.zeros((256, 3), "uint8")
    palette[[0, 1]] = (9, 8, 7), (1, 2, 3)
    masks = [{"values": (0, 1), "palette": palette}] * 2
    assert read(tmp_path, *masks).encoding.class_map.colors == ((9, 8, 7), (1, 2, 3))


def test_ids_of_16_bits_are_read_by_a_table_of_ids(tmp_path):
    mask = {"values": (1000, 2000, 65535), "dtype": "uint16"}
    data = read(tmp_path, mask, mask, table="id,name\n1000,road\n2000,sky\n")
    data.refuse_problems()
    assert decoded(data)["0"] == [0, 1, 255]
    assert data.encoding.class_map.names == ("road", "sky")


def test_ids_above_254_without_a_table_are_refused_with_the_limit(tmp_path):
    message = refusal(read(tmp_path, (0, 1), {"values": (0, 300), "dtype": "uint16"}))
    assert "expected 0 to 254, and 255 for void, got values 300" in message
    assert "at most 255 classes" in message
    assert "labels/1.png (300)" in message


def test_colors_without_a_table_are_refused_with_the_colors(tmp_path):
    message = refusal(read(tmp_path, [(1, 2, 3), (4, 4, 4)], (0, 1)))
    assert "have colors, and there is no class table" in message
    assert "Add a class_dict.csv with the columns name,r,g,b" in message
    assert "4,4,4 (640 pixels)" in message and "1,2,3 (640 pixels)" in message
    assert "labels/0.png (1,2,3)" in message


def test_colors_of_no_class_are_named_with_file_and_count(tmp_path):
    colors = [(1, 2, 3), (250, 1, 7)]
    message = refusal(read(tmp_path, colors, [(1, 2, 3)], table="a,1,2,3\nb,9,9,9\n"))
    assert "1 are not in class_dict.csv: 250,1,7 (640 pixels)" in message
    assert "in 1 file: labels/0.png (250,1,7)" in message


def test_ids_of_no_class_are_named_with_file_and_count(tmp_path):
    table = "id,name\n0,road\n1,sky\n"
    message = refusal(read(tmp_path, (0, 1), (0, 7), table=table))
    assert "1 are not in class_dict.csv: 7 (640 pixels), in 1 file" in message
    assert "labels/1.png (7)" in message


def test_void_is_named_by_name_or_by_id(tmp_path):
    data = read(tmp_path, (0, 1, 2), (0, 1, 2), void="0")
    assert data.encoding.class_map.names == ("class_1", "class_2")
    assert decoded(data)["0"] == [0, 1, 255]
    data = read(tmp_path, table="id,name\n0,Edge\n1,road\n2,sky\n", void="edge")
    assert data.encoding.class_map.names == ("road", "sky")


def test_void_stays_void_with_the_classes_of_a_run(tmp_path):
    data = read(tmp_path, (0, 1, 2), (0, 1, 2), void="0")
    again = read_folder(
        tmp_path,
        ("val",),
        TrainingConfig(void="0", label_values="ids"),
        class_map=data.encoding.class_map,
    )
    again.refuse_problems()
    assert again.encoding.class_map.names == ("class_1", "class_2")
    assert decoded(again).popitem()[1] == [0, 1, 255]


def test_background_of_black_and_white_may_be_void(tmp_path):
    data = read(tmp_path, (0, 255), (0, 255), void="background")
    assert data.encoding.class_map.names == ("object",)


def test_void_of_no_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: void=tree"):
        read(tmp_path, (0, 1), (0, 1), void="tree")


def test_one_class_is_refused_unless_accepted(tmp_path):
    message = refusal(read(tmp_path, (0,), (0,)))
    assert "All labels of train are class_0" in message
    assert "`accept` one-class" in message
    read(tmp_path, accept="one-class").refuse_problems()


def test_only_void_is_refused(tmp_path):
    message = refusal(read(tmp_path, (255,), (255,)))
    assert "All pixels of the label maps of train are void" in message


def test_few_gaps_between_ids_are_noted_with_the_remapping(tmp_path):
    data = read(tmp_path, (1, 2, 3), (1, 2, 3))
    data.refuse_problems()
    [problem] = [problem for problem in data.problems if problem.kind == "gaps"]
    message = "1 of 4 ids have no pixel: label maps have the ids 1, 2, 3"
    assert message in problem.message
    assert "1 to 0, 2 to 1, 3 to 2" in problem.message


def test_many_gaps_between_ids_are_refused(tmp_path):
    message = refusal(read(tmp_path, (0, 1, 2, 99), (0, 1, 2, 99)))
    assert "96 of 100 ids have no pixel" in message
    assert "99 to 3" in message
    read(tmp_path, label_values="ids").refuse_problems()


def test_classes_without_pixels_are_noted(tmp_path):
    data = read(tmp_path, (0, 1), (0, 1), table="id,name\n0,a\n1,b\n5,c\n")
    data.refuse_problems()
    assert "1 classes have no pixel: c" in [
        problem.message for problem in data.problems
    ]


COLORS = [(128, 64, 128), (1, 2, 3)]
OTHER_GREYS = "name,r,g,b\none,1,1,1\nzero,0,0,0\n"
EDGES = np.repeat(np.array([0, 200], "uint8"), 20)[None].repeat(32, axis=0)
JPEG = Image.fromarray(EDGES.copy())
JPEG.format = "JPEG"
EDGES[:, 19] = np.arange(32) + 50
SMOOTHED = Image.fromarray(EDGES)
SMOOTHED.format = "PNG"
PALETTE = {"values": (0, 1), "palette": [(9, 8, 7), (1, 2, 3)]}
# Label maps and options by the name of the rule that applies, in the rules' order.
REFUSED = {
    "jpeg": ([JPEG], {}),
    "smoothed": ([SMOOTHED], {}),
    "label-values": ([(0, 1)], {"label_values": "colors"}),
    "no-table": ([COLORS], {}),
    "instances": ([(0, 1, 2), range(6), range(9)], {}),
    "many-ids": ([{"values": (0, 300), "dtype": "uint16"}], {}),
    "unknown": ([(0, 1, 7)], {"table": "id,name\n0,a\n1,b\n"}),
    "some-colors": ([(0, 255)], {"table": "road,255,255,255\n"}),
    "palettes": (
        [
            {"values": (0, 1), "palette": [(0, 0, 0), (255, 0, 0)]},
            {"values": (0, 1), "palette": [(255, 0, 0), (0, 0, 0)]},
        ],
        {},
    ),
    "palette": ([PALETTE], {"table": "a,1,2,3\nb,9,8,7\n"}),
    "ambiguous": ([(0, 1)], {"table": OTHER_GREYS}),
    "mixed": ([(0, 1), (0, 255)], {}),
    "no-class": ([(0, 1)], {"table": "id,name\n0,void\n1,ignore\n"}),
    "many-classes": (
        [(0, 1)],
        {"table": "id,name\n" + "".join(f"{n},c{n}\n" for n in range(256))},
    ),
}
READ = {
    "black-white": ([(0, 255)], {}, "black and white: 0 is background, 255 is object"),
    "colors": ([COLORS], {"table": "a,128,64,128\nb,1,2,3\n"}, "colors, as in class"),
    "ids-in-table": ([(3, 7)], {"table": "id,name\n3,a\n7,b\n"}, "ids, as in class_d"),
    "ids-by-line": ([(0, 1)], {"table": GREYS}, "ids, the lines of class_dict.csv"),
    "ids": ([(0, 1, 255)], {}, "ids, 255 is void"),
}


def read_case(folder, labels, options):
    """Read a folder with some label maps, the first of them twice."""
    return read(folder, *labels, labels[0], **options)


@pytest.mark.parametrize("name", REFUSED)
def test_a_rule_refuses_its_label_maps(tmp_path, name):
    data = read_case(tmp_path, *REFUSED[name])
    assert name in [problem.kind for problem in data.problems if problem.is_fatal]
    assert data.encoding is None
    rule = next(rule for rule in RULES if rule.name == name)
    message = refusal(data)
    assert rule.labels in message and rule.result in message


@pytest.mark.parametrize("name", READ)
def test_a_rule_reads_its_label_maps(tmp_path, name):
    labels, options, description = READ[name]
    data = read_case(tmp_path, labels, options)
    data.refuse_problems()
    assert data.decisions[-1].startswith(f"labels are read as {description}")


@pytest.mark.parametrize(("name", "count"), [("jpeg", 2), ("label-values", 1)])
def test_count_of_a_problem_is_its_number_of_files(tmp_path, name, count):
    data = read_case(tmp_path, *REFUSED[name])
    assert [p.count for p in data.problems if p.kind == name] == [count]


def test_every_rule_has_a_case():
    assert [rule.name for rule in RULES] == [*REFUSED, *READ]


def test_files_are_counted_and_listed(tmp_path):
    message = refusal(read_case(tmp_path, *REFUSED["jpeg"]))
    # The order of the files is that of the splits, which hashes of names assign.
    files = [r"labels/0\.jpeg \(\d+ values\)", r"labels/1\.jpeg \(\d+ values\)"]
    listed = "|".join("; ".join(order) for order in (files, files[::-1]))
    assert re.fullmatch(
        f"{re.escape(str(tmp_path))}: Label maps are JPEG files or lossy WebP files, "
        f"whose compression changes values: expected PNG, in 2 files: ({listed})\\. "
        "Save label maps as "
        "PNG, from the original labels; for masks of black and white, set "
        "`label_values` to black-white, which separates them at 128",
        message,
    )


def test_a_class_with_the_id_255_in_a_table_is_no_void(tmp_path):
    table = "name,id\nroad,0\nsky,1\ntree,255\n"
    data = read(tmp_path, (0, 1, 255), (0, 1), table=table)
    assert data.require_encoding().class_map.names == ("road", "sky", "tree")
    assert decoded(data) == {"0": [0, 1, 2], "1": [0, 1]}
