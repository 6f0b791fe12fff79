"""Kills before each change of a run folder."""

import re

from tests.support.commands import call

# In a small process, because each kill is that of a fork.
KEEPS_NO_BEST_NETWORK = """
import sys
from keras_fcn.runs.checkpoints import Checkpoints
from torture.killed_writes import main
update = Checkpoints._update_files

def keep_nothing(checkpoints, checkpoint, before):
    update(checkpoints, checkpoint, before)
    for path in checkpoints.folder.glob("best-*.keras"):
        path.unlink()

Checkpoints._update_files = keep_nothing
sys.exit(main(["--epochs", "2"]))
"""


def test_a_kill_before_any_change_of_a_run_folder_loses_nothing():
    result = call("-m", "torture.killed_writes", "--epochs", "2")
    found = re.fullmatch(r"(\d+) kills in 2 epochs: 0 with a loss\n", result.stdout)
    assert int(found[1]) > 60


def test_a_best_network_that_is_not_kept_is_a_loss():
    result = call("-c", KEEPS_NO_BEST_NETWORK, check=False)
    assert result.returncode == 1
    assert "best-0001.keras missing, or not as written" in result.stdout
