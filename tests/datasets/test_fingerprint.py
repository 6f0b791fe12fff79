"""Fingerprints of splits."""

import numpy as np

from keras_fcn.datasets.fingerprint import combine, describe_changes, fingerprint


def example(name, shade=0, label=0, size=(2, 3)):
    return {
        "name": name.encode(),
        "image": np.full((*size, 3), shade, "uint8"),
        "label_map": np.full(size, label, "uint8"),
    }


DATA = [example("a", 1, 0), example("b", 2, 1), example("c", 3, 0)]


def changes(*others):
    return describe_changes({"val": fingerprint(DATA)}, {"val": fingerprint(others)})


def test_order_and_parts_do_not_matter():
    whole = fingerprint(DATA)
    assert fingerprint(DATA[::-1]) == whole
    assert combine([fingerprint(DATA[:1]), fingerprint(DATA[1:])]) == whole
    assert describe_changes({"val": whole}, {"val": whole}) == ""


def test_each_change_is_described():
    a, b, c = DATA
    assert changes(a, b) == "val has 2 images instead of 3"
    assert changes(a, b, c, c) == "val has 4 images instead of 3"
    assert changes(a, b, example("c", 3, 2)) == "val has other label maps"
    assert changes(a, b, example("c", 4, 0)) == "val has other images"
    exchanged = example("a", 1, 1), example("b", 2, 0), c
    assert changes(*exchanged) == "val has other label maps"
    flat = example("a", 1, 0, (1, 6)), b, c
    assert changes(*flat) == "val has other images, label maps"
    assert changes(a, b, example("d", 3)) == "val has other names, images, label maps"


def test_a_split_that_is_gone_is_described():
    both = {"train": fingerprint(DATA), "val": fingerprint(DATA[:1])}
    gone = {"train": both["train"]}
    assert describe_changes(both, gone) == "val has 0 images instead of 1"
