"""A run packed to be passed on; how it is read is in test_pretrained.py."""

import json
import shutil

import numpy as np
import pytest
from keras_fcn.runs.packed_writer import pack

from keras_fcn import pack as pack_module
from keras_fcn.runs.folder import RunFolder


@pytest.fixture
def run(packed_run, tmp_path):
    """A copy of the run, to be changed."""
    return RunFolder(shutil.copytree(packed_run.path, tmp_path / "run"))


def change_config(run, **changes):
    path = run.path / "config.json"
    description = json.loads(path.read_text())
    description["config"] |= changes
    path.write_text(json.dumps(description))


def test_kernels_are_float16_and_nothing_is_pickled(packed):
    with np.load(packed.weights, allow_pickle=False) as arrays:
        assert arrays["fc6/kernel"].dtype == "float16"
        assert arrays["norm_pool3/moving_variance"].dtype == "float32"
    assert packed.read_class_map().names == ("class_0", "class_1", "class_2")


def test_no_path_of_the_machine_is_packed(run, tmp_path):
    change_config(
        run, weights=str(tmp_path / "notop.h5"), init_from=str(tmp_path / "camvid-16s")
    )
    packed = pack(run, tmp_path / "packed")
    for path in packed.path.glob("*.json"):
        assert str(tmp_path.parent) not in path.read_text()
    config = packed.read_config()
    assert (config.weights, config.init_from) == ("notop.h5", "camvid-16s")
    assert config.data_dir is None


def test_a_folder_that_is_there_is_not_overwritten(run, packed):
    with pytest.raises(FileExistsError, match="exists already"):
        pack(run, packed.path)


def test_a_run_that_is_not_finished_is_refused(run, tmp_path):
    change_config(run, epochs=3)
    with pytest.raises(ValueError, match="1 of its 3 epochs"):
        pack(run, tmp_path / "packed")


def test_weights_beyond_float16_are_refused_and_nothing_is_left(
    run, tmp_path, monkeypatch
):
    model = run.load_model()
    model.get_layer("fc7").kernel.assign(np.full((1, 1, 8, 8), 1e6))
    monkeypatch.setattr(RunFolder, "load_model", lambda _: model)
    with pytest.raises(ValueError, match="No float16 holds fc7/kernel"):
        pack(run, tmp_path / "large")
    assert list(tmp_path.iterdir()) == [run.path]


def test_the_command_says_where_and_how_large(run, tmp_path, capsys):
    output_dir = tmp_path / "mine" / "packed"
    assert pack_module.main([str(run.path), "--output-dir", str(output_dir)]) == 0
    assert capsys.readouterr().out.startswith(f"Packed: {output_dir}/ (")


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    arguments = [str(tmp_path / "no"), "--output-dir", str(tmp_path / "packed")]
    assert pack_module.main(arguments) == 2
    assert "is not a run" in capsys.readouterr().err
