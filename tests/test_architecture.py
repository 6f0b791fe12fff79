"""The import rules of docs/architecture.md, and where tests stand."""

import ast
import re

import pytest

from tests.support.data import PROJECT

PACKAGE = PROJECT / "keras_fcn"
DOCUMENT = (PROJECT / "docs/architecture.md").read_text()
MODULES = sorted(PACKAGE.rglob("*.py"))
RENDERING = {"streets.py", "examples.py"}  # import the renderer
OUTSIDE = {"street_rendering", "benchmarks", "tests"}
ORDER = re.findall(r"^\| `(\w+)/` \|", DOCUMENT, re.MULTILINE)
PUBLIC = ("__init__.py", "__main__.py")


def imported_by(path):
    """Dotted names that a file imports, anywhere in it, modules and their names."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def module_name(path):
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULE_NAMES = {module_name(path) for path in MODULES}


def subpackage_of(name):
    """The subpackage of `keras_fcn.SUBPACKAGE...`; None for any other name."""
    package, _, rest = name.partition(".")
    name = rest.partition(".")[0]
    return name if package == "keras_fcn" and name in ORDER else None


def names_of(paths):
    return [str(path.relative_to(PROJECT)) for path in paths]


def test_the_document_lists_every_subpackage_with_commands_last():
    assert set(ORDER) == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert ORDER[-1] == "commands"


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_a_module_imports_no_subpackage_below_its_own(path):
    own = subpackage_of(module_name(path))
    used = {subpackage_of(name) for name in imported_by(path)} - {None, own}
    if own is not None:
        assert used <= set(ORDER[: ORDER.index(own)])
    elif path.name not in PUBLIC:
        assert used <= {"storage"}


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_no_module_imports_the_package_itself(path):
    names = imported_by(path)
    public = [
        name
        for name in names
        if name.startswith("keras_fcn.")
        and name not in MODULE_NAMES
        and name.rpartition(".")[0] == "keras_fcn"
    ]
    assert not public


def test_no_import_cycle():
    graph = {
        module_name(path): {name for name in imported_by(path) if name in MODULE_NAMES}
        - {module_name(path)}
        for path in MODULES
        if path.name not in PUBLIC
    }
    done = set()

    def visit(name, above):
        assert name not in above, " -> ".join([*above, name])
        if name in done:
            return
        for imported in graph.get(name, ()):
            visit(imported, (*above, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_at_most_nine_modules_stand_at_the_top():
    assert len([path for path in MODULES if path.parent == PACKAGE]) <= 9


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_only_the_streets_data_set_imports_from_outside(path):
    outside = {name.split(".")[0] for name in imported_by(path)} & OUTSIDE
    assert outside == ({"street_rendering"} if path.name in RENDERING else set())


def test_the_renderer_does_not_import_the_package():
    for path in (PROJECT / "street_rendering").rglob("*.py"):
        assert not [n for n in imported_by(path) if n.startswith("keras_fcn")], path


def test_the_document_names_no_missing_module():
    for path in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", DOCUMENT):
        assert (PACKAGE / path).is_file() or (PROJECT / path).is_file(), path


LIBRARY = [path for path in MODULES if path.parent.name != "commands"]


@pytest.mark.parametrize("path", LIBRARY, ids=names_of(LIBRARY))
def test_the_library_names_no_flags(path):
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text()))
    assert not flags


TESTS = sorted((PROJECT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=names_of(TESTS))
def test_no_test_imports_from_another(path):
    for name in imported_by(path):
        assert not name.startswith("tests.") or name.startswith("tests.support")
        assert not name.startswith("test_") and name != "conftest"


def test_tests_have_the_layout_of_the_package():
    for folder in (path.parent for path in (PROJECT / "tests").rglob("test_*.py")):
        name = folder.relative_to(PROJECT / "tests")
        assert (PACKAGE / name).is_dir() or (PROJECT / name).is_dir(), folder
