import importlib

import pytest

from benchmarks.compare import format_table, has_words, make_cases
from tests.support.commands import refusal


def test_all_combinations_of_options_are_compared():
    cases = make_cases(is_quick=False, is_scaling=False)
    assert len(cases) == 2 * 2 * 2 * 2 * 2
    assert len({(work, *fields.values()) for work, fields in cases}) == len(cases)
    assert {work for work, _ in make_cases(True, False)} == {"training", "prediction"}


def test_scaling_cases_differ_in_one_option():
    base = {"height": 360, "width": 480, "batch_size": 1, "num_classes": 11}
    for _, fields in make_cases(False, is_scaling=True):
        changed = {name for name in base if fields[name] != base[name]}
        assert changed in (set(), {"height", "width"}, {"batch_size"}, {"num_classes"})


def test_words_select_the_cases_that_have_all_of_them():
    words = ("training", "vgg", "float32", "320x416")
    chosen = [case for case in make_cases(False, False) if has_words(*case, words)]
    assert [fields["batch_size"] for _, fields in chosen] == [1, 8]
    assert [has_words(*case, [*words, "8"]) for case in chosen] == [False, True]


def test_seconds_in_a_row_are_per_image():
    row = {
        "work": "training",
        "height": 320,
        "width": 416,
        "batch_size": 4,
        "head": "compact",
        "precision": "bfloat16",
        "num_classes": 11,
        "contender": "keras-fcn",
        "median": 4.0,
        "least": 2.0,
        "most": 8.0,
        "cpu_median": 6.0,
        "share_of_peak": 0.5,
        "memory_gib": 2.25,
    }
    header, _, line = format_table([row]).splitlines()
    assert header.count("|") == line.count("|")
    assert "| 1.000 (0.500 to 2.000) | 1.500 | 50% | 2.2 |" in line


def test_bad_arguments_are_one_line(capsys):
    module = importlib.import_module("benchmarks.compare")
    assert "--rounds: expected a positive integer" in refusal(
        module, capsys, "--rounds", 0
    )
    assert "No case has all of --only x y" in refusal(
        module, capsys, "--only", "x", "y"
    )


@pytest.mark.slow
def test_pytorch_computes_the_same_network():
    torch = pytest.importorskip("torch")
    from benchmarks.contenders import Case
    from benchmarks.torch_fcn import TorchFCN

    case = Case(33, 50, 2, "compact", "float32", num_classes=3)
    network, images = case.make_network(), case.make_batch()["image"]
    image = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        logits = TorchFCN(network, False).eval()(image).permute(0, 2, 3, 1)
    expected = network.predict_on_batch(images)
    assert abs(logits.numpy() - expected).max() < 1e-3 * abs(expected).max()
