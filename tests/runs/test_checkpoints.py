"""The last two checkpoints of a run: writing, damage, restoring."""

import itertools
import json
import os

import pytest

from keras_fcn.runs.checkpoints import Checkpoint, Checkpoints, write_history
from keras_fcn.storage import atomic

SCORES = (0.3, 0.5, 0.4, 0.5, 0.6)  # of the epochs; the best are 1, 2, 2, 2, 5


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Flushing to the disk takes time, and no test loses power."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def history_until(epoch):
    return [
        {"epoch": number, "loss": 1.0, "val_mean_iou": SCORES[number - 1]}
        for number in range(1, epoch + 1)
    ]


def at(epoch):
    return Checkpoint.at(epoch, history_until(epoch)) if epoch else Checkpoint()


def finish_epoch(checkpoints, epoch):
    """Write the files of the end of an epoch, with its number as content."""
    checkpoint = at(epoch)
    if checkpoint.best_epoch == epoch:
        network = f"network {epoch}"
        checkpoints.stage_best(
            epoch, lambda path: path.write_text(network), {"epoch": epoch}
        )
    checkpoints.write(
        checkpoint, at(epoch - 1), lambda path: path.write_text(f"state {epoch}")
    )


def make_run(folder, epochs):
    checkpoints = Checkpoints(folder)
    for epoch in range(1, epochs + 1):
        finish_epoch(checkpoints, epoch)
    return checkpoints


def assert_is_at(folder, epoch):
    """Check that all files of a run belong to an epoch."""
    best = at(epoch).best_epoch
    assert Checkpoint.read(folder / "checkpoint.json") == at(epoch)
    assert (folder / "best.keras").read_text() == f"network {best}"
    assert json.loads((folder / "metrics.json").read_text()) == {"epoch": best}
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + epoch
    assert (
        folder / f"checkpoint-{epoch:04}.safetensors"
    ).read_text() == f"state {epoch}"


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5])
def test_a_run_holds_its_last_two_checkpoints_and_their_best_networks(tmp_path, epoch):
    make_run(tmp_path, epoch)
    assert_is_at(tmp_path, epoch)
    names = {path.name for path in tmp_path.iterdir()}
    needed = {"checkpoint.json", "best.keras", "metrics.json", "history.csv"}
    needed |= {f"checkpoint-{epoch:04}.safetensors"}
    if epoch > 1:
        needed |= {"checkpoint-before.json", f"checkpoint-{epoch - 1:04}.safetensors"}
        if (before := at(epoch - 1).best_epoch) != at(epoch).best_epoch:
            needed |= {f"best-{before:04}.keras", f"best-{before:04}.json"}
    assert names == needed


@pytest.mark.parametrize("epoch", [2, 3, 4, 5])
def test_a_run_can_be_reset_to_the_previous_checkpoint(tmp_path, epoch):
    checkpoints = make_run(tmp_path, epoch)
    last, before = checkpoints.read()
    assert (last, before) == (at(epoch), at(epoch - 1))
    checkpoints.restore(before)
    assert_is_at(tmp_path, epoch - 1)
    finish_epoch(checkpoints, epoch)
    assert_is_at(tmp_path, epoch)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("epoch", [1, 2, 3, 5])
@pytest.mark.parametrize("links", [True, False])
def test_a_run_killed_at_any_rename_resumes_with_the_same_result(
    tmp_path, monkeypatch, epoch, links
):
    """Kill before and after each rename, resume, and finish the epoch."""
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1)))
    replace, incomplete = os.replace, 0
    for moment in itertools.count():
        folder = tmp_path / str(moment)
        folder.mkdir()
        checkpoints = make_run(folder, epoch - 1)
        renames = 0

        def replace_or_die(source, target, moment=moment):
            nonlocal renames
            if renames == moment // 2 and moment % 2 == 0:
                raise Killed
            replace(source, target)
            if renames == moment // 2:
                raise Killed
            renames += 1

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_die)
            try:
                finish_epoch(checkpoints, epoch)
            except Killed:
                pass
            else:
                break  # there is no later rename
        found = checkpoints.read()[0]
        assert found in (at(epoch - 1), at(epoch))
        was_complete = found.epoch and checkpoints.is_complete(found)
        if was_complete:
            assert_is_at(folder, found.epoch)
        checkpoints.restore(found)
        if found.epoch:
            assert_is_at(folder, found.epoch)
            assert checkpoints.is_complete(found)
        incomplete += not was_complete and found.epoch == epoch
        if found.epoch < epoch:
            finish_epoch(checkpoints, epoch)
        assert_is_at(folder, epoch)
        if epoch > 1:  # and the checkpoint before is whole too
            last, *before = checkpoints.read()
            if before and before[0] != last:
                checkpoints.restore(before[0])
                assert_is_at(folder, epoch - 1)
    assert moment >= 8 and incomplete


DAMAGED = {
    "another type": "[]",
    "null": "null",
    "no json": '{"epoch": 3,',
    "nested": "[" * 200_000,
    "epoch as text": {"epoch": "3"},
    "epoch of a fraction": {"epoch": 3.0},
    "epoch true": {"epoch": True},
    "negative": {"epoch": -1},
    "step as text": {"step": "4"},
    "no step": {"step": None},
    "history null": {"history": None},
    "history too short": {"history": []},
    "history of other things": {"history": [1, 2, 3]},
    "a score as text": {"history": [{"epoch": 1, "val_mean_iou": "0.5"}] * 3},
    "other epochs": {"history": [{"epoch": 1, "val_mean_iou": 0.5}] * 3},
    "a number beyond all floats": {
        "history": [{"epoch": n, "val_mean_iou": 10**400} for n in (1, 2, 3)]
    },
    "no score": {"history": [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]},
    "state of another folder": {"state": "../other/checkpoint-0001.safetensors"},
    "absolute state": {"state": "/etc/passwd"},
    "no state": {"state": None},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_checkpoint_is_logged_and_not_used(tmp_path, caplog, name):
    checkpoints = make_run(tmp_path, 3)
    damage = DAMAGED[name]
    if isinstance(damage, dict):
        whole = json.loads(checkpoints.last_file.read_text())
        damage = json.dumps(whole | damage)
    checkpoints.last_file.write_text(damage)
    assert checkpoints.read() == [at(2)]
    (line,) = caplog.messages
    assert line.startswith(str(checkpoints.last_file)) and len(line) < 400
    assert line.endswith("; the other checkpoint is used") and "\n" not in line
    checkpoints.restore(at(2))
    assert_is_at(tmp_path, 2)
    checkpoints.before_file.write_text(damage)
    checkpoints.last_file.write_text(damage)
    with pytest.raises(ValueError, match="checkpoint.json.*; .*checkpoint-before.json"):
        checkpoints.read()


@pytest.mark.parametrize("epoch", [1, 2, 5])
@pytest.mark.parametrize("left", ["all", "best.keras", "history.csv", "metrics.json"])
def test_a_run_without_its_checkpoint_does_not_start_over(tmp_path, epoch, left):
    checkpoints = make_run(tmp_path, epoch)
    checkpoints.last_file.unlink()
    if left != "all":
        for path in tmp_path.iterdir():
            if path.name != left:
                path.unlink()
    with pytest.raises(ValueError, match="checkpoint.json is missing.* To resume"):
        checkpoints.read()


def test_samples_of_the_second_epoch_show_that_the_first_finished(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("epoch-0001.png", "epoch-0001-sample-1.png"):
        (tmp_path / "samples" / name).write_text("")
    (tmp_path / "checkpoint-0000-000005.safetensors").write_text("")
    assert Checkpoints(tmp_path).read() == [Checkpoint()]  # killed in its first epoch
    (tmp_path / "samples/epoch-0002.png").write_text("")
    with pytest.raises(ValueError, match="is missing"):
        Checkpoints(tmp_path).read()


def test_a_checkpoint_within_an_epoch_keeps_the_previous_one(tmp_path):
    checkpoints = make_run(tmp_path, 2)
    within = Checkpoint.at(2, history_until(2), step=100)
    assert within.state == "checkpoint-0002-000100.safetensors"
    checkpoints.write(within, at(2), lambda path: path.write_text("state"))
    assert checkpoints.read() == [within, at(2)]
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        "checkpoint-0002.safetensors",
        "checkpoint-0002-000100.safetensors",
    }
    later = Checkpoint.at(2, history_until(2), step=200)
    checkpoints.write(later, within, lambda path: path.write_text("state"))
    assert checkpoints.read() == [later, within]
    assert not (tmp_path / "checkpoint-0002.safetensors").exists()


def test_a_full_disk_at_any_write_leaves_a_valid_checkpoint(tmp_path, monkeypatch):
    replace = os.replace
    for moment in range(6):
        folder = tmp_path / str(moment)
        folder.mkdir()
        checkpoints, count = make_run(folder, 1), itertools.count()

        def replace_or_fail(source, target, moment=moment, count=count):
            if next(count) == moment:
                raise OSError(28, "No space left on device")
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_fail)
            with pytest.raises(OSError, match=f"No space left on device: '{folder}/"):
                finish_epoch(checkpoints, 2)
        checkpoints.restore(checkpoints.read()[0])
        assert_is_at(folder, checkpoints.read()[0].epoch)
        assert not list(folder.glob(".part-*"))


def test_history_has_a_row_per_epoch_and_a_column_per_score(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 1, "new": 3}])
    assert path.read_text().split() == ["epoch,loss,new", "1,0.5,", "2,1,3"]


def of_scores(*scores):
    history = [{"val_mean_iou": score} for score in scores]
    return Checkpoint.at(len(scores), history)


@pytest.mark.parametrize(
    ("scores", "epochs"),
    [((), 0), ((0.3,), 0), ((0.3, 0.2), 1), ((0.3, 0.3, 0.3), 2), ((0.1, 0.4, 0.2), 1)],
)
def test_epochs_are_counted_from_the_first_best(scores, epochs):
    checkpoint = of_scores(*scores)
    assert checkpoint.epoch - checkpoint.best_epoch == epochs


def test_a_training_ends_after_its_last_epoch_or_its_patience():
    checkpoint = of_scores(0.5, 0.4, 0.45)
    assert not checkpoint.is_last(4, None)
    assert checkpoint.is_last(3, None)
    assert not checkpoint.is_last(4, 3)
    assert checkpoint.is_last(4, 2)


@pytest.mark.parametrize(
    "name", ["checkpoint.json", "checkpoint-0003.safetensors", "best-0002.keras"]
)
def test_a_folder_in_place_of_a_file_is_refused_before_training(tmp_path, name):
    checkpoints = make_run(tmp_path, 2)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=f"{name} must be a regular file.*a folder"):
        checkpoints.read()


def test_files_of_a_checkpoint_survive_a_loss_of_power(tmp_path, monkeypatch):
    """They are flushed to the disk, before the file that names them is."""
    make_run(tmp_path, 1)
    flushed, move = [], atomic.move_into_place

    def note(part, path):
        move(part, path)
        flushed.append(path.name)

    monkeypatch.setattr("keras_fcn.storage.atomic.move_into_place", note)
    monkeypatch.setattr("keras_fcn.runs.checkpoints.move_into_place", note)
    finish_epoch(Checkpoints(tmp_path), 2)
    *before, last = flushed[: flushed.index("checkpoint.json") + 1]
    assert last == "checkpoint.json"
    assert set(before) == {
        "best-0002.keras",
        "best-0002.json",
        "checkpoint-0002.safetensors",
        "checkpoint-before.json",
    }
    assert {"best.keras", "metrics.json"} <= set(flushed)
