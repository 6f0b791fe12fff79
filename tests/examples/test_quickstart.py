import os
import sys
from pathlib import Path

import pytest

from tests.support.data import PROJECT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = PROJECT / "examples/quickstart.ipynb"


def read_notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_contains_no_outputs():
    notebook = read_notebook()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.slow
def test_the_notebook_loads_predicts_trains_and_exports(tmp_path, monkeypatch):
    # Its shell commands must use this environment and this checkout.
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    notebook = read_notebook()
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(shown) == 3
    assert (
        notebook.cells[-1]
        .outputs[0]["data"]["text/plain"]
        .startswith("TensorShape([96, 128, 1])")
    )
    assert (tmp_path / "runs/mine/best.keras").exists()
    assert (tmp_path / "export/mine/1/saved_model.pb").exists()
