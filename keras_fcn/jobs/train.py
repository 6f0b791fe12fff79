"""Training from Python, and what the command `train` does with its flags."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import keras

from keras_fcn.config import FOLDER_FIELDS, TrainingConfig
from keras_fcn.datasets.recognize import recognize_dataset
from keras_fcn.jobs.run import Run
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.options import plain_type
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import reserved_folder
from keras_fcn.training import train as training
from keras_fcn.training.distributed.cluster import find_cluster
from keras_fcn.training.distributed.strategy import Distribution, join
from keras_fcn.training.resolve import follow_start

logger = logging.getLogger(__name__)

RUNS = Path("runs")


def train(
    run_dir: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    auto_resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    devices: int | Literal["all"] = "all",
    checkpoint_every: int | None = None,
    accept_changed_data: bool = False,
    **options: Any,
) -> Run:
    """Train a network, as `keras-fcn train` does.

    >>> run = keras_fcn.train(data_dir="my_data", init_from="pretrained", epochs=15)
    >>> run.best["mean_iou"]
    >>> run = keras_fcn.train(resume="runs/mine")  # after an interruption

    Args:
        run_dir: folder of the new run; `runs/DATASET-fcnVARIANT-TIME` if None.
        resume: a run to resume from its last checkpoint, with its own options.
        auto_resume: resume `run_dir` if it is a run, and start it otherwise.
        callbacks: Keras callbacks. Their model is the network, which is not compiled,
            and `logs` contain the scores of training and validation (`val_mean_iou`).
            They are called when the files of an epoch have been written: a run whose
            callback raises an error can be resumed. `model.stop_training = True` ends
            the training. On JAX, weights must not be read within an epoch.
        devices: number of GPUs of each worker, or "all".
        checkpoint_every: steps between two checkpoints within an epoch; None for
            checkpoints at the end of epochs only.
        accept_changed_data: resume although images or labels have changed, and record
            the changes in `config.json`.
        options: the options of `keras-fcn train`, by name: `dataset`, `data_dir`,
            `variant`, `epochs`, `batch_size`, `loss` and others, with the same
            defaults. `help(keras_fcn.train)` shows them all.

    Returns:
        The finished run.

    Raises:
        ValueError, OSError: if an option, the data or the weights are not usable.
        FileExistsError: if `run_dir` exists and is not empty.
        FloatingPointError: if the loss is no longer finite.
    """
    if resume is not None and (run_dir is not None or auto_resume):
        raise ValueError(
            "`resume` names the run to resume: leave out `run_dir` and `auto_resume`"
        )
    if auto_resume and run_dir is None:
        raise ValueError("`auto_resume` requires `run_dir`, the run to start or resume")
    if resume is not None and set(options) - {"data_dir"}:
        name = min(set(options) - {"data_dir"})
        raise ValueError(f"`resume` uses the run's own options: leave out `{name}`")
    if devices != "all" and (not isinstance(devices, int) or devices < 1):
        raise ValueError(
            '`devices` must be "all" or a positive integer. Received: '
            f"devices={devices}"
        )
    allow_memory_growth()
    options = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in options.items()
    }
    if "data_dir" in options and "dataset" not in options and resume is None:
        is_own = not set(FOLDER_FIELDS).isdisjoint(options)
        folder = Path(options["data_dir"])
        options["dataset"] = "folder" if is_own else recognize_dataset(folder)
    run = start_or_resume(
        options,
        join(find_cluster(), None if devices == "all" else devices),
        run_dir=None if run_dir is None else Path(run_dir),
        resume=None if resume is None else Path(resume),
        auto_resume=auto_resume,
        checkpoint_every=checkpoint_every,
        accept_changed_data=accept_changed_data,
        callbacks=callbacks,
    )
    return Run(run.path)


def _signature() -> inspect.Signature:
    """Return the signature of `train` with all options, for `help` and completion."""
    signature = inspect.signature(train)
    *own, _ = signature.parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    options = [
        inspect.Parameter(
            field.name, kind, default=field.default, annotation=plain_type(field.type)
        )
        for field in fields(TrainingConfig)
    ]
    return signature.replace(parameters=[*own, *options])


train.__signature__ = _signature()  # type: ignore[attr-defined]


def start_or_resume(
    options: Mapping[str, Any],
    distribution: Distribution,
    *,
    run_dir: Path | None = None,
    resume: Path | None = None,
    auto_resume: bool = False,
    checkpoint_every: int | None = None,
    accept_changed_data: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    check_run: Callable[[RunFolder], None] = lambda run: None,
) -> RunFolder:
    """Start or resume a run; the first worker decides, as only it needs the folder.

    Args:
        options: fields of `TrainingConfig` that the user has set.
        distribution: the devices.
        run_dir: as for `train`.
        resume: as for `train`.
        auto_resume: as for `train`.
        checkpoint_every: as for `train`.
        accept_changed_data: as for `train`.
        callbacks: as for `train`.
        check_run: called with a run that is resumed; may raise ValueError.

    Raises:
        ValueError, OSError, FloatingPointError: as `train`.
        TrainingStopped: by SIGTERM to a worker, after a checkpoint has been written.
        PeerLost: if another worker has ended.
    """
    path, action = resume or run_dir, "start"
    with distribution.fail_together():  # an error on one worker ends all of them
        if distribution.is_first and path is not None:
            if resume or (auto_resume and RunFolder(path).config_file.is_file()):
                run = RunFolder.open(path)
                check_run(run)
                is_done = auto_resume and training.is_finished(run)
                action = "nothing" if is_done else "resume"
    action = distribution.all_gather(action)[0]  # that of the first worker
    if action == "nothing" and path is not None:
        logger.info("The run is already complete")
        return RunFolder(path)
    if action == "resume":
        return training.resume(
            path or RUNS,  # the others need no folder
            options.get("data_dir"),
            distribution,
            checkpoint_every,
            accept_changed_data,
            callbacks,
        )
    with distribution.fail_together():
        config = follow_start(TrainingConfig(**options), set(options))
    if path is not None or not distribution.is_first:  # the others write no run
        return training.train(
            config, path or RUNS, distribution, checkpoint_every, callbacks
        )
    started = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{config.dataset}-fcn{config.variant}-{started}"
    with reserved_folder(RUNS, name) as path:
        return training.train(config, path, distribution, checkpoint_every, callbacks)
