"""The short form of `make torture`'s kills: an epoch, killed before each change."""

import re

from tests.support.commands import call


def test_killed_before_any_change_of_its_folder_a_run_loses_nothing():
    result = call("-m", "torture.killed_writes", "--epochs", "2")
    found = re.fullmatch(r"(\d+) kills in 2 epochs: 0 with a loss\n", result.stdout)
    assert int(found[1]) > 60
