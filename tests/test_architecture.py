"""docs/architecture.md is kept: rooms, what they import, and how tests mirror them."""

import ast
import re

import pytest

from tests.support.data import PROJECT

PACKAGE = PROJECT / "keras_fcn"
DOCUMENT = (PROJECT / "docs/architecture.md").read_text()
MODULES = sorted(PACKAGE.rglob("*.py"))
OUTSIDE = {"street_rendering", "benchmarks", "tests"}


def read_rooms():
    """The table of rooms: which rooms each may import."""
    rows = re.findall(r"^\| `(\w+)/` \| .+ \| (.+) \|$", DOCUMENT, re.MULTILINE)
    rooms = {room for room, _ in rows}
    return {
        room: (rooms if names == "all" else set(re.findall(r"`(\w+)`", names)) & rooms)
        for room, names in rows
    }


ROOMS = read_rooms()


def imported_by(path):
    """Names of the modules that a file imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module)
    return names


def room_of(name):
    """The room of `keras_fcn.ROOM.MODULE`; None for what lies beside the rooms."""
    package, _, rest = name.partition(".")
    room = rest.partition(".")[0]
    return room if package == "keras_fcn" and room in ROOMS else None


def names_of(paths):
    return [str(path.relative_to(PROJECT)) for path in paths]


def test_the_rooms_are_those_of_the_document():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(ROOMS) == folders
    assert list(ROOMS)[-1] == "commands"


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_a_module_imports_only_rooms_that_its_own_may(path):
    room = path.parent.name if path.parent != PACKAGE else None
    used = {room_of(name) for name in imported_by(path)} - {None, room}
    if room is not None:
        assert used <= ROOMS[room]
    elif path.name not in ("__init__.py", "api.py", "__main__.py"):
        assert not used


def test_no_room_goes_round_in_a_circle():
    seen = set()
    for room, allowed in ROOMS.items():
        if room != "commands":
            assert allowed <= seen, room
        seen.add(room)


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_what_lies_outside_is_imported_by_the_streets_data_set_alone(path):
    outside = {name.split(".")[0] for name in imported_by(path)} & OUTSIDE
    assert outside == ({"street_rendering"} if path.name == "streets.py" else set())


def test_the_renderer_knows_nothing_of_the_package():
    for path in (PROJECT / "street_rendering").rglob("*.py"):
        assert not [n for n in imported_by(path) if n.startswith("keras_fcn")], path


@pytest.mark.parametrize("path", MODULES, ids=names_of(MODULES))
def test_the_document_tells_of_every_module(path):
    if path.name == "__init__.py":
        return
    start = (
        DOCUMENT.index(f"\n### `{path.parent.name}/`")
        if room_of(f"keras_fcn.{path.parent.name}")
        else DOCUMENT.index("\n### Beside the rooms")
    )
    section = DOCUMENT[start + 4 :].partition("\n### ")[0]
    assert f"`{path.name}`" in section


def test_the_document_names_no_module_that_there_is_not():
    for path in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", DOCUMENT):
        assert (PACKAGE / path).is_file() or (PROJECT / path).is_file(), path


LIBRARY = [path for path in MODULES if path.parent.name != "commands"]


@pytest.mark.parametrize("path", LIBRARY, ids=names_of(LIBRARY))
def test_the_library_knows_no_flags(path):
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text()))
    assert not flags


TESTS = sorted((PROJECT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=names_of(TESTS))
def test_no_test_imports_from_another(path):
    for name in imported_by(path):
        assert not name.startswith("tests.") or name.startswith("tests.support.")
        assert not name.startswith("test_") and name != "conftest"


def test_tests_mirror_the_rooms():
    for folder in (path.parent for path in (PROJECT / "tests").rglob("test_*.py")):
        name = folder.relative_to(PROJECT / "tests")
        assert (PACKAGE / name).is_dir() or (PROJECT / name).is_dir(), folder
