"""Documents: links, files, flags and names of the package are those of the project."""

import importlib
import re

import pytest
from PIL import Image

import keras_fcn
from keras_fcn.commands.main import COMMANDS
from keras_fcn.commands.parser import OneLineParser
from tests.support.data import PROJECT, write_folder

DOCUMENTS = [
    *PROJECT.glob("*.md"),
    *PROJECT.glob("docs/*.md"),
    *PROJECT.glob("docs/reference/*.md"),
    *PROJECT.glob("keras_fcn/pretrained/*/README.md"),
]
# The changelog names what was removed.
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]
REMOVED = {"recipes/train_resident.py"}  # made numbers of docs/results.md
FOLDERS = "keras_fcn|tests|docs|recipes|benchmarks|torture|deploy|examples"
# Flags of benchmarks, of other programs, and of version 0.1.
OTHER_FLAGS = {
    "performance.md": {"--scaling", "--exported", "--compile-bytecode"},
    "reliability.md": {"--count"},
    "results.md": {"--hard-pixels", "--label-smoothing"},
    "scaling.md": {"--gpus-per-task"},
}


def relative(path):
    return str(path.relative_to(PROJECT))


def anchors(path):
    """Ids that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def blocks(text):
    """Indented and fenced blocks of code, with continued lines joined."""
    indented = re.findall(r"(?:^(?: {4}|\t).*\n)+", text, re.MULTILINE)
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(indented + fenced).replace("\\\n", " ")


def flags_of(name):
    parser = OneLineParser(f"keras-fcn {name}", "", "", "")
    module = importlib.import_module(f"keras_fcn.commands.{name.replace('-', '_')}")
    module.add_arguments(parser)
    actions = parser._actions
    return {flag for action in actions for flag in action.option_strings} | {"--debug"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=map(relative, DOCUMENTS))
def test_links_resolve(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name) if name else path
        if name.startswith("tutorial/"):  # `make docs` writes them from the notebooks
            linked = PROJECT / "examples" / f"{linked.stem}.ipynb"
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("path", CURRENT, ids=map(relative, CURRENT))
def test_files_of_the_project_that_are_named_exist(path):
    found = rf"(?<![\w/.])(?:{FOLDERS})/[\w./*-]*[\w/]"
    tests = r"(?<![\w/.])[\w/]+/test_\w+\.py"
    text = path.read_text()
    for name in {*re.findall(found, text), *re.findall(tests, text)} - REMOVED:
        roots = (PROJECT, PROJECT / "tests")  # CONTRIBUTING's table is of tests/
        is_there = any((root / name).exists() for root in roots)
        assert is_there or "NAME" in name or "MODULE" in name, name


@pytest.mark.parametrize("path", CURRENT, ids=map(relative, CURRENT))
def test_modules_that_are_run_exist(path):
    names = re.findall(r"python -m (benchmarks|torture)\.(\w+)", path.read_text())
    for folder, name in names:
        assert (PROJECT / folder / f"{name}.py").exists(), name


@pytest.mark.parametrize("path", CURRENT, ids=map(relative, CURRENT))
def test_commands_have_the_flags_that_are_shown(path):
    shown = re.findall(
        r"(?:keras-fcn |python (?=\w+\.py))([a-z-]+)(?:\.py)?(?= |$)([^\n]*)",
        blocks(path.read_text()),
    )
    for name, rest in shown:
        assert name in COMMANDS, name
        flags = flags_of(name)
        rest = re.split(r"[;|]|\|\||&&| #", rest)[0]
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert flag in flags, f"{name} {flag}"


ALL_FLAGS = set().union(*map(flags_of, COMMANDS))


@pytest.mark.parametrize("path", CURRENT, ids=map(relative, CURRENT))
def test_flags_in_the_text_exist(path):
    # TensorFlow Serving's flags have underscores.
    flags = set(re.findall(r"`(--[a-z][a-z-]*)(?!_)\b[^`]*`", path.read_text()))
    assert flags <= ALL_FLAGS | OTHER_FLAGS.get(path.name, set())


@pytest.mark.parametrize("path", CURRENT, ids=map(relative, CURRENT))
def test_names_of_the_package_exist(path):
    for name in re.findall(r"\bkeras_fcn\.(\w+)", path.read_text()):
        is_module = (PROJECT / "keras_fcn" / name).exists()
        assert name in keras_fcn.__all__ or is_module, name


PYTHON = [path for path in CURRENT if "\n```python\n" in path.read_text()]
EXAMPLES = [path for path in PYTHON if path.name != "serving.md"]  # needs a server


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=map(relative, EXAMPLES))
@pytest.mark.vgg16
def test_the_python_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 48)).save("image.png")
    write_folder(tmp_path / "my_data")
    for code in re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S):
        exec(code, {})
