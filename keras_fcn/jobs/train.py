"""Training from Python, and what the command `train` does with its flags."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import keras
import numpy as np

from keras_fcn.config import TrainingConfig
from keras_fcn.datasets.mix import absolute_mix
from keras_fcn.jobs.recipes import check_options, with_recipe
from keras_fcn.jobs.run import Run
from keras_fcn.models.devices import allow_memory_growth
from keras_fcn.models.precision import resolve_precision
from keras_fcn.options import format_value, plain_type
from keras_fcn.runs.folder import RunFolder
from keras_fcn.runs.names import reserved_folder, start_name
from keras_fcn.training import train as training
from keras_fcn.training.distributed.cluster import find_cluster
from keras_fcn.training.distributed.strategy import Distribution, join
from keras_fcn.training.resolve import follow_start

logger = logging.getLogger(__name__)

RUNS = Path("runs")
_DEFAULTS = {field.name: field.default for field in fields(TrainingConfig)}


def train(
    run_dir: str | Path | None = None,
    *,
    config: str | Path | None = None,
    resume: str | Path | None = None,
    auto_resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    devices: int | Literal["all"] = "all",
    checkpoint_every: int | None = None,
    accept_changed_data: bool = False,
    **options: Any,
) -> Run:
    """Train a network, as `keras-fcn train` does.

    Examples:
        >>> run = keras_fcn.train(data_dir="my_data", init_from="pretrained", epochs=15)
        >>> run.best["mean_iou"]
        >>> run = keras_fcn.train(config="own-classes", data_dir="my_data")
        >>> run = keras_fcn.train(resume="runs/mine")  # after an interruption

    Args:
        run_dir: folder of the new run; `runs/DATASET-fcnVARIANT-TIME` if None.
        config: a recipe, which sets other options: the name of one of the package, such
            as "own-classes", or a TOML file. Options that are given override it.
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
        MemoryError: if there is no memory for the first batch; names a `batch_size`
            that fits.
    """
    if resume is not None:
        for name, value in (
            ("run_dir", run_dir),
            ("auto_resume", auto_resume),
            ("config", config),
        ):
            if value:
                raise ValueError(
                    f"`resume` names the run to resume: leave out `{name}`"
                )
    if auto_resume and run_dir is None:
        raise ValueError("`auto_resume` requires `run_dir`, the run to start or resume")
    if resume is not None and set(options) - {"data_dir"}:
        name = min(set(options) - {"data_dir"})
        raise ValueError(f"`resume` uses the run's own options: leave out `{name}`")
    if devices != "all" and (not isinstance(devices, int) or devices < 1):
        raise ValueError(
            '`devices` must be "all" or a positive integer. Received: '
            f"devices={devices!r}"
        )
    callbacks = (
        [callbacks]
        if isinstance(callbacks, keras.callbacks.Callback)
        else list(callbacks)
    )
    for one in callbacks:
        if not isinstance(one, keras.callbacks.Callback):
            raise ValueError(
                "`callbacks` must be objects of `keras.callbacks.Callback`. Received: "
                f"{one!r:.80}"
            )
    if checkpoint_every is not None and (
        not isinstance(checkpoint_every, int) or checkpoint_every < 1
    ):
        raise ValueError(
            f"`checkpoint_every` must be a positive integer. Received: "
            f"{checkpoint_every=}"
        )
    allow_memory_growth()
    options = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }
    if resume is None:
        given = [n for n, value in options.items() if value != _DEFAULTS.get(n)]
        options = with_recipe(options, None if config is None else str(config))
        check_options(options, given)
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
                _check_unchanged(run, options)
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


def _check_unchanged(run: RunFolder, options: Mapping[str, Any]) -> None:
    """Refuse options that differ from the configuration of a run to resume.

    Args:
        run: the run.
        options: fields of `TrainingConfig` that the user has set. `data_dir` may
            differ, because the data may have moved.

    Raises:
        ValueError: names the first option that differs.
    """
    # The run has resolved values: auto, pretrained and relative paths are replaced.
    resolved = {
        "precision": resolve_precision,
        "init_from": start_name,
        "mix": absolute_mix,
    }
    given, saved = TrainingConfig(**options), run.read_config()
    for name in sorted(options.keys() - {"data_dir"}):
        received, kept = getattr(given, name), getattr(saved, name)
        if name in resolved:
            received = resolved[name](received)
        if received == kept:
            continue
        if name == "epochs" and received > kept:
            raise ValueError(
                f"`resume` can't add epochs, because the learning rate of {run.path} "
                f"ends at 0 after {kept}: start a new run by `init_from` "
                f"{quote(str(run.path))} `epochs` N. Received: epochs={received}"
            )
        raise ValueError(
            f"`resume` uses the run's own configuration: {run.path} has `{name}` "
            f"{format_value(kept)}. Received: {name}={format_value(received)}"
        )
