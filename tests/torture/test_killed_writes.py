import re

from tests.support.commands import call


def test_a_kill_before_any_change_of_a_run_folder_loses_nothing():
    result = call("-m", "torture.killed_writes", "--epochs", "2")
    found = re.fullmatch(r"(\d+) kills in 2 epochs: 0 with a loss\n", result.stdout)
    assert int(found[1]) > 60
