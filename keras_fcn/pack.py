"""Pack a run's network as small as it can be passed on: `python -m keras_fcn.pack RUN`.

The folder takes the form of those in `pretrained/`, and `--model` takes its path. Its
README.md, the model card, is for people to write.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from keras_fcn.command_line import run_command
from keras_fcn.files import write_json
from keras_fcn.pretrained import PretrainedFolder, variables_by_name
from keras_fcn.run_folder import RunFolder


def pack(run: RunFolder, output_dir: Path) -> PretrainedFolder:
    """Store a run's best network the way `pretrained/` does, to be passed on.

    Kernels are rounded to float16; paths of this machine are left out of the
    configuration.

    Args:
        run: a run that has gone through all its epochs.
        output_dir: folder to make; it must not be there.

    Returns:
        The new folder.

    Raises:
        FileExistsError: if `output_dir` is there.
        ValueError: if the run is not finished, or a weight does not fit into float16.
    """
    epoch, num_epochs = run.read_checkpoint()["epoch"], run.read_config().epochs
    if epoch < num_epochs:
        raise ValueError(
            f"{run.path} has finished {epoch} of its {num_epochs} epochs: go on by "
            f"train.py --resume {run.path}"
        )
    if output_dir.exists():
        raise FileExistsError(f"{output_dir} exists already: choose a new folder")
    values = {
        name: _stored(name, keras.ops.convert_to_numpy(variable))
        for name, variable in variables_by_name(run.load_best_model()).items()
    }
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    part = PretrainedFolder(output_dir.with_name(f".part-{output_dir.name}"))
    shutil.rmtree(part.path, ignore_errors=True)
    part.path.mkdir()
    try:
        np.savez(part.weights, **values)
        checksum = hashlib.sha256(part.weights.read_bytes()).hexdigest()
        part.checksum.write_text(f"{checksum}  {part.weights.name}\n")
        for name in ("classes.json", "metrics.json"):
            shutil.copy(run.path / name, part.path)
        description = json.loads((run.path / "config.json").read_text())
        description["config"] = _without_paths(description["config"])
        write_json(part.path / "config.json", description)
        part.path.rename(output_dir)
    finally:
        shutil.rmtree(part.path, ignore_errors=True)
    return PretrainedFolder(output_dir)


def _stored(name, value):
    """A weight as stored; the variances of VGG16's pools are too large for float16."""
    if value.ndim < 2:
        return value
    largest = np.finfo("float16").max
    if not (np.abs(value) <= largest).all():
        raise ValueError(f"No float16 holds {name}: its values must be up to {largest}")
    return value.astype("float16")


def _without_paths(config):
    named = {
        name: config[name] and Path(config[name]).name
        for name in ("weights", "init_from")
    }
    return {**config, **named, "data_dir": None}


def add_arguments(parser):
    parser.add_argument("run", type=Path, metavar="RUN", help="run of train.py")
    parser.add_argument(
        "--output-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder to make",
    )


def command(parser, arguments, argv):
    packed = pack(RunFolder.open(arguments.run), arguments.output_dir)
    megabytes = packed.weights.stat().st_size / 1e6
    print(f"Packed: {packed.path}/ ({megabytes:.1f} MB)")
    return 0


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
