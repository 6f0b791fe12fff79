import sys

import pytest

from benchmarks import serving_load
from tests.support.commands import refusal
from tests.support.data import draw_blocks
from tests.support.saved_models import read_png


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.vgg16
def test_tables_of_a_small_load_are_printed(wide_run, capsys):
    flags = {
        "--model": wide_run.path,
        "--size": "40x50",
        "--batch-sizes": "1,2",
        "--repeats": 1,
        "--num-requests": 20,
        "--largest": "40x64",
    }
    flags = [str(part) for pair in flags.items() for part in pair]
    assert serving_load.main(flags) == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("|") and "---" not in line
    ]
    table = {" ".join(row[:-2]): row[-2:] for row in rows}
    rates = [f"`{name}` {n}" for name in ("label_map", "serving_default") for n in "12"]
    assert all(float(rate) > 0 for name in rates for rate in table[name])
    latencies = [row for row in rows if row[0] in ("float32", "bfloat16")]
    assert len(latencies) == 2
    for _, rate, *milliseconds in latencies:
        milliseconds = [float(value) for value in milliseconds]
        assert float(rate) > 0 and milliseconds == sorted(milliseconds)
    (marks,) = (row for row in rows if row[0] == "requests to each")
    assert marks[1:] == ["1", "5", "10", "15", "20"]
    num_bytes = {
        row[0]: [int(size.replace(",", "")) for size in row[1:]] for row in rows[-3:]
    }
    grpc, rest = num_bytes["`probabilities`"]
    assert 40 * 50 * 3 * 4 < grpc < rest
    grpc, rest = num_bytes["`label_map`"]
    assert 40 * 50 < grpc < rest
    assert num_bytes["`label_png_bytes`"][0] < 40 * 50


@pytest.mark.parametrize(
    ("flag", "value", "needed"),
    [
        ("--model", "nothing", "is not a run (it has no"),
        ("--repeats", 0, "expected a positive integer, got 0"),
        ("--num-requests", 0, "expected a positive integer, got 0"),
        ("--largest", "8x8", "expected a size of at least 16x16, got 8x8"),
        ("--batch-sizes", "x", "expected a positive integer, got x"),
    ],
)
def test_bad_flags_are_one_line(capsys, flag, value, needed):
    assert needed in refusal(serving_load, capsys, flag, value)


def test_a_label_map_of_another_size_is_an_error():
    label_png = serving_load.encode(draw_blocks(4, 5, 3, seed=0)[1], "PNG")
    assert read_png(label_png).shape == (4, 5)
    serving_load.check_size(label_png, (4, 5))
    with pytest.raises(ValueError, match=r"expected \(5, 4\), got \(4, 5\)"):
        serving_load.check_size(label_png, (5, 4))
