"""These tests require the extra `ray`."""

from importlib.util import find_spec

if find_spec("ray") is None:
    collect_ignore_glob = ["test_*.py"]
