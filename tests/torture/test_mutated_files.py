import numpy as np
import pytest

from tests.support.image_files import FILES
from torture.mutated_files import main, read_mutated
from torture.mutations import fix_checksums, mutate
from torture.readers import KINDS, Kind

# JSON of runs needs Keras; its own tests are in tests/runs.
QUICK = [
    name
    for name, kind in KINDS.items()
    if not kind.is_slow and name not in ("config", "checkpoint")
]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of a TIFF's broken tags
@pytest.mark.parametrize("name", QUICK)
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    result = read_mutated(name, 40, 2, tmp_path)
    assert result["faults"] == []
    assert result["read"] + result["refused"] == 40
    assert result["refused"] > 5


def test_any_other_exception_of_a_reader_is_a_fault(tmp_path, monkeypatch):
    def read(path):
        content = path.read_bytes()
        if b"\xff" in content:
            raise KeyError("of a parser")
        if b"[" in content:
            raise ValueError("no name")

    kind = Kind(".txt", lambda: [b"abc" * 20], read)
    monkeypatch.setitem(KINDS, "broken", kind)
    result = read_mutated("broken", 200, 0, tmp_path)
    faults = " ".join(result["faults"])
    assert "KeyError: 'of a parser'" in faults and "no file name: 'no name'" in faults
    kept = len(list(tmp_path.glob("broken-*")))
    assert kept == len(result["faults"]) > 0
    assert result["read"] == 200 - kept


def test_a_kind_whose_valid_files_are_refused_is_a_fault(tmp_path, monkeypatch):
    def read(path):
        raise ValueError(f"{path} is refused")

    monkeypatch.setitem(KINDS, "broken", Kind(".txt", lambda: [b"a", b"b"], read))
    faults = read_mutated("broken", 3, 0, tmp_path)["faults"]
    assert faults == [f"{tmp_path}: none of the valid files is read"]


@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_an_image_that_is_read_without_its_last_rows_is_a_fault(
    name, tmp_path, monkeypatch
):
    assert read_mutated(name, 0, 0, tmp_path)["faults"] == []
    monkeypatch.setattr("keras_fcn.images.opening.is_truncated", lambda *_: False)
    faults = read_mutated(name, 0, 0, tmp_path)["faults"]
    assert faults and all("although rows are missing" in fault for fault in faults)


def test_mutations_are_a_function_of_the_seed():
    files = list(FILES.values())
    one, other = (
        [mutate(files, np.random.default_rng(3)) for _ in range(20)] for _ in range(2)
    )
    assert one == other
    assert mutate(files, np.random.default_rng(4)) != one[0]


def test_checksums_of_a_png_are_corrected():
    whole = FILES["RGB"]
    damaged = whole[:16] + b"\0\0\1\0" + whole[20:]
    fixed = fix_checksums(damaged)
    assert fixed[:29] == damaged[:29] and fixed[29:33] != damaged[29:33]
    assert fix_checksums(whole) == whole
    assert fix_checksums(b"words") == b"words"


@pytest.mark.slow
def test_each_kind_is_read_in_a_new_process_and_printed(tmp_path, capsys):
    flags = ("--count", "3", "--folder", str(tmp_path), "--kinds", "ppm", "list")
    assert main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0] == "seed 0" and [line.split()[-1] for line in lines[2:]] == ["0"] * 2
    )
