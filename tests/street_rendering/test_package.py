"""The package as a whole: what it imports, and its classes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from street_rendering import classes

ROOT = Path(__file__).parents[2]


def modules_after(statement, folder):
    """Names of the top-level modules of a fresh process after a statement."""
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
def test_importing_it_imports_nothing_of_the_networks(module, tmp_path):
    found = modules_after(f"import {module}", tmp_path)
    assert "cv2" in found
    assert not found & {"keras_fcn", "keras", "tensorflow"}


def test_rendering_needs_numpy_and_opencv_alone(tmp_path):
    assert "PIL" not in modules_after("import street_rendering", tmp_path)


def test_each_id_is_the_position_of_its_name():
    ids = {name: index for index, (name, _) in enumerate(classes.CLASSES)}
    assert ids == {name: getattr(classes, name.upper()) for name in ids}
    assert list(ids)[-1] == "void"


def test_no_two_classes_share_a_color():
    assert len({color for _, color in classes.CLASSES}) == len(classes.CLASSES)
