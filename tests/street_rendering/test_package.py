import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from street_rendering import classes

ROOT = Path(__file__).parents[2]


def modules_after(statement, folder):
    """Top-level modules that a new process has imported after a statement."""
    program = f"import json, sys; {statement}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("module", ["street_rendering", "street_rendering.__main__"])
def test_importing_it_imports_neither_keras_nor_keras_fcn(module, tmp_path):
    found = modules_after(f"import {module}", tmp_path)
    assert "cv2" in found
    assert not found & {"keras_fcn", "keras", "tensorflow"}


def test_importing_the_renderer_does_not_import_pillow(tmp_path):
    assert "PIL" not in modules_after("import street_rendering", tmp_path)


def test_a_class_id_is_the_position_of_its_name():
    ids = {name: index for index, (name, _) in enumerate(classes.CLASSES)}
    assert ids == {name: getattr(classes, name.upper()) for name in ids}
    assert list(ids)[-1] == "void"


def test_class_colors_differ():
    assert len({color for _, color in classes.CLASSES}) == len(classes.CLASSES)
