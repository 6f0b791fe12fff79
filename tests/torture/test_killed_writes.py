"""Kills before each change of a run folder."""

import re

from keras_fcn.runs.checkpoints import Checkpoints
from tests.support.commands import call
from torture.killed_writes import main


def test_a_kill_before_any_change_of_a_run_folder_loses_nothing():
    result = call("-m", "torture.killed_writes", "--epochs", "2")
    found = re.fullmatch(r"(\d+) kills in 2 epochs: 0 with a loss\n", result.stdout)
    assert int(found[1]) > 60


def test_a_best_network_that_is_not_kept_is_a_loss(monkeypatch, capsys):
    update = Checkpoints._update_files

    def keep_nothing(self, checkpoint, before):
        update(self, checkpoint, before)
        for path in self.folder.glob("best-*.keras"):
            path.unlink()

    monkeypatch.setattr(Checkpoints, "_update_files", keep_nothing)
    assert main(["--epochs", "2"]) == 1
    assert "best-0001.keras missing, or not as written" in capsys.readouterr().out
