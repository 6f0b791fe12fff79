"""Pins, ranges and the wheel of pyproject.toml."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import keras_fcn

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PACKAGES = ("keras_fcn", "street_rendering")
PYTHONS = [
    f"3.{minor}"
    for minor in range(100)
    if f"3.{minor}.9" in SpecifierSet(PROJECT["requires-python"])
]


def environment_of(python):
    """The markers' values on Linux with the Python `python`, such as `3.10`."""
    return default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_version": f"{python}.9",
        "os_name": "posix",
        "platform_system": "Linux",
        "sys_platform": "linux",
    }


def wanted_there(requirements, python):
    """Those of the lines `requirements` whose markers hold with the Python `python`."""
    environment = environment_of(python)
    wanted = map(Requirement, requirements)
    return [r for r in wanted if r.marker is None or r.marker.evaluate(environment)]


def pins(file_name, python):
    """The version of each package that a requirements file pins for a Python."""
    lines = (REPOSITORY / file_name).read_text().splitlines()
    lines = [line for line in lines if not line.lstrip().startswith("#")]
    versions = {}
    for requirement in wanted_there(lines, python):
        name = canonicalize_name(requirement.name)
        assert name not in versions, f"{file_name} pins {name} twice for {python}"
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{file_name} does not pin {name}"
        versions[name] = specifier.version
    return versions


def assert_pinned_within_ranges(requirements, versions, python):
    for requirement in wanted_there(requirements, python):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} has no pin for {python}"
        assert version in requirement.specifier, f"{requirement}: pinned to {version}"


@pytest.mark.parametrize("python", PYTHONS)
def test_each_dependency_is_pinned_within_its_range(python):
    assert_pinned_within_ranges(
        PROJECT["dependencies"], pins("requirements.txt", python), python
    )


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_each_dependency_of_an_extra_is_pinned_within_its_range(extra, python):
    assert_pinned_within_ranges(
        PROJECT["optional-dependencies"][extra],
        pins("requirements-dev.txt", python),
        python,
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_build_requirements_are_pinned_within_their_range(python):
    # the Makefile installs the project without build isolation
    assert_pinned_within_ranges(
        PYPROJECT["build-system"]["requires"], pins("requirements.txt", python), python
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_the_developers_pins_include_the_users(python):
    users = pins("requirements.txt", python)
    developers = pins("requirements-dev.txt", python)
    assert {name: developers.get(name) for name in users} == users


@pytest.mark.parametrize("file_name", ["requirements.txt", "requirements-dev.txt"])
def test_pins_contain_no_registry(file_name):
    text = (REPOSITORY / file_name).read_text()
    assert "://" not in text
    assert "--index" not in text and "--extra-index" not in text


def test_all_files_list_the_same_python_versions():
    python = "Programming Language :: Python :: "
    classifiers = [c.removeprefix(python) for c in PROJECT["classifiers"]]
    assert [c for c in classifiers if re.fullmatch(r"3\.\d+", c)] == PYTHONS
    workflow = (REPOSITORY / ".github/workflows/ci.yml").read_text()
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == set(PYTHONS)
    bounds = re.search(
        r"\((\d), (\d+)\) <= sys\.version_info < \((\d), (\d+)\)",
        (REPOSITORY / "Makefile").read_text(),
    )
    first, end = (int(bounds[2]), int(bounds[4]))
    assert [f"3.{minor}" for minor in range(first, end)] == PYTHONS


def test_pre_commit_runs_the_pinned_ruff():
    config = (REPOSITORY / ".pre-commit-config.yaml").read_text()
    (revision,) = re.findall(r"rev: v(\S+)", config)
    assert revision == pins("requirements-dev.txt", PYTHONS[0])["ruff"]


def test_the_citation_has_the_packages_version():
    citation = (REPOSITORY / "CITATION.cff").read_text()
    (version,) = re.findall(r"^version: (\S+)$", citation, re.MULTILINE)
    assert version == keras_fcn.__version__


def test_the_console_script_exists():
    (entry,) = PROJECT["scripts"].items()
    command = importlib.metadata.EntryPoint(*entry, group="console_scripts").load()
    assert callable(command)


@pytest.fixture(scope="module")
def repository_copy(tmp_path_factory):
    """What the source archive is made of, and two folders that it must leave out."""
    copy = tmp_path_factory.mktemp("repository")
    for file_name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / file_name, copy)
    without_caches = shutil.ignore_patterns("__pycache__", ".*")
    for folder in (*PACKAGES, "tests", "docs"):
        shutil.copytree(REPOSITORY / folder, copy / folder, ignore=without_caches)
    return copy


@pytest.fixture(scope="module")
def wheel(repository_copy, tmp_path_factory):
    """The wheel, built by way of the source archive."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder]
    outcome = subprocess.run(
        [*command, repository_copy], cwd=folder, capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_contains_the_packages_and_the_bundled_network_only(
    wheel, repository_copy
):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = [p for name in PACKAGES for p in (repository_copy / name).rglob("*")]
    wanted = {p.relative_to(repository_copy).as_posix() for p in files if p.is_file()}
    assert packed == wanted
    assert "keras_fcn/pretrained/fcn8s-camvid/weights.safetensors" in packed
    assert wheel.stat().st_size < 45e6  # what the network takes, and little more


@pytest.mark.slow
def test_the_wheel_has_the_packages_version_and_command(wheel):
    info = f"keras_fcn-{keras_fcn.__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read(f"{info}/entry_points.txt").decode()
        metadata = HeaderParser().parsestr(archive.read(f"{info}/METADATA").decode())
        assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert metadata["Version"] == keras_fcn.__version__
    assert metadata["License-Expression"] == "MIT"
    assert "keras-fcn = keras_fcn.commands.main:main" in entry_points
