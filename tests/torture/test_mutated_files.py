"""The short form of `torture/mutated_files.py`, and of what it is made of."""

import numpy as np
import pytest

from tests.support.image_files import FILES
from torture.mutated_files import main, read_mutated
from torture.mutations import mend_checksums, mutate
from torture.readers import KINDS, Kind

# JSON of runs needs Keras; its own tests are in tests/runs.
QUICK = [
    name
    for name, kind in KINDS.items()
    if kind.cost == 1 and name not in ("config", "checkpoint")
]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of a TIFF's broken tags
@pytest.mark.parametrize("name", QUICK)
def test_damaged_files_are_read_or_refused_in_a_line(name, tmp_path):
    result = read_mutated(name, 40, 2, tmp_path)
    assert result["faults"] == []
    assert result["read"] + result["refused"] == 40
    assert result["refused"] > 5


def test_a_reader_that_fails_in_another_way_is_a_fault(tmp_path, monkeypatch):
    def read(path):
        content = path.read_bytes()
        if b"\xff" in content:
            raise KeyError("of a parser")
        if b"[" in content:
            raise ValueError("no name")

    kind = Kind(".txt", lambda: [b"abc" * 20], read)
    monkeypatch.setitem(KINDS, "broken", kind)
    result = read_mutated("broken", 200, 0, tmp_path)
    told = " ".join(result["faults"])
    assert "KeyError: 'of a parser'" in told and "no file is named: 'no name'" in told
    kept = len(list(tmp_path.glob("broken-*")))
    assert kept == len(result["faults"]) > 0
    assert result["read"] == 200 - kept


def test_the_same_seed_gives_the_same_files():
    files = list(FILES.values())
    one, other = (
        [mutate(files, np.random.default_rng(3)) for _ in range(20)] for _ in range(2)
    )
    assert one == other
    assert mutate(files, np.random.default_rng(4)) != one[0]


def test_checksums_of_a_png_are_mended():
    whole = FILES["RGB"]
    damaged = whole[:16] + b"\0\0\1\0" + whole[20:]
    mended = mend_checksums(damaged)
    assert mended[:29] == damaged[:29] and mended[29:33] != damaged[29:33]
    assert mend_checksums(whole) == whole
    assert mend_checksums(b"words") == b"words"


@pytest.mark.slow
def test_each_kind_is_read_in_a_process_and_has_a_line(tmp_path, capsys):
    flags = ("--count", "3", "--folder", str(tmp_path), "--kinds", "ppm", "list")
    assert main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "seed 0" and [line.split()[-1] for line in lines[2:]] == ["0"] * 2
    )
