import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.data import PROJECT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted(PROJECT.glob("examples/*.ipynb"))


def read_notebook(name):
    return nbformat.read(PROJECT / f"examples/{name}.ipynb", as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_contain_no_outputs(path):
    notebook = read_notebook(path.stem)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Folder and executed code cells of each notebook.

    They are run one after the other in one kernel, without the variables of the
    others: starting a kernel takes longer than most cells.
    """
    combined, results = nbformat.v4.new_notebook(), {}
    for path in NOTEBOOKS:
        notebook = read_notebook(path.stem)
        folder = tmp_path_factory.mktemp(path.stem)
        start = nbformat.v4.new_code_cell(f"%reset -f\n%cd -q {folder}")
        combined.metadata = notebook.metadata
        combined.cells += [start, *notebook.cells]
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        results[path.stem] = folder, cells
    with pytest.MonkeyPatch.context() as monkeypatch:
        # Their shell commands must use this environment and this checkout.
        folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
        monkeypatch.setenv("PATH", os.pathsep.join(folders))
        monkeypatch.setenv("PYTHONPATH", str(PROJECT))
        client = nbclient.NotebookClient(combined, timeout=600)
        # `execute` would leave its event loop open. `asyncio.run` in the main thread
        # would replace that thread's loop, which Gradio leaves open.
        with ThreadPoolExecutor(1) as executor:
            executor.submit(asyncio.run, client.async_execute()).result()
    return results


def num_images(cells):
    outputs = [output for cell in cells for output in cell.outputs]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow(seconds=200)
def test_quickstart_loads_predicts_trains_and_exports(executed):
    folder, cells = executed["quickstart"]
    assert num_images(cells) == 3
    shape = cells[-1].outputs[0]["data"]["text/plain"]
    assert shape.startswith("TensorShape([96, 128, 1])")
    assert (folder / "runs/mine/best.keras").exists()
    assert (folder / "export/mine/1/saved_model.pb").exists()


@pytest.mark.slow
def test_own_classes_learns_three_new_classes(executed):
    folder, cells = executed["own_classes"]
    assert num_images(cells) == 1
    history = (folder / "runs/cells/history.csv").read_text().splitlines()
    columns = history[0].split(",")
    mean_iou = float(history[-1].split(",")[columns.index("val_mean_iou")])
    assert mean_iou > 0.6
    assert int(cells[-1].outputs[0]["data"]["text/plain"]) > 0  # nuclei


@pytest.mark.slow
def test_compile_fit_trains_with_public_parts(executed):
    folder, cells = executed["compile_fit"]
    scores = cells[-1].outputs[-1]["data"]["text/plain"]
    assert "'mean_iou'" in scores
    assert list(folder.glob("logs/**/events.*"))
