"""Make a packed network of the weights that `train_resident.py` wrote.

    python recipes/pack_resident.py fcn8s.npz --config recipes/camvid-2.toml \\
        --init-from camvid-1-streets --data-dir data/CamVid --output-dir packed/fcn8s

It is scored on validation, for its `metrics.json`.
"""

import argparse
import dataclasses
import hashlib
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from recipes.inference_size import NATIVE, seen_at

from keras_fcn.commands.recipes import read_recipe
from keras_fcn.commands.startup import quiet_start
from keras_fcn.config import VARIANTS, TrainingConfig


def main(argv: list[str] | None = None) -> None:
    """Write the folder.

    Args:
        argv: the flags.
    """
    arguments = _parse(argv)
    values = read_recipe(arguments.config)
    config = TrainingConfig(
        **{
            **values,
            "variant": arguments.variant,
            "seed": arguments.seed,
            "init_from": arguments.init_from,
        }
    )
    config = seen_at(config, arguments.size)
    with quiet_start():
        from keras_fcn.storage.atomic import atomic_folder
    with atomic_folder(arguments.output_dir.parent) as part:
        _write(part, config, arguments)
        os.replace(part, arguments.output_dir)


def _write(part, config, arguments):
    """Fill the folder of the new network."""
    from keras_fcn.datasets import camvid
    from keras_fcn.datasets.load import load_dataset
    from keras_fcn.runs.folder import git_commit, versions
    from keras_fcn.runs.packed import PackedFolder
    from keras_fcn.storage.atomic import write_json

    packed = PackedFolder(part)
    shutil.copy(arguments.weights, packed.weights_file)
    checksum = hashlib.sha256(packed.weights_file.read_bytes()).hexdigest()
    packed.checksum_file.write_text(f"{checksum}  {packed.weights_file.name}\n")
    camvid.CLASS_MAP.save(packed.classes_file)
    write_json(
        packed.config_file,
        {
            "config": dataclasses.asdict(config),
            "training_size": config.size or NATIVE,
            "versions": versions(),
            "git_commit": git_commit(),
        },
    )
    data = dataclasses.replace(config, data_dir=str(arguments.data_dir))
    dataset = load_dataset(data, ("val",))
    scores = _score(packed.load_model(), dataset, config.size)
    write_json(packed.metrics_file, {"epoch": config.epochs, **scores})
    print(
        f"{arguments.output_dir}: validation mean IoU {scores['mean_iou']:.1%}, "
        f"pixel accuracy {scores['pixel_accuracy']:.1%}"
    )


def _score(model, dataset, side):
    """The report on validation, of images seen at a size."""
    from keras_fcn.evaluation.metrics import confusion_matrix_of
    from keras_fcn.evaluation.report import scores_report
    from keras_fcn.prediction.options import PredictionOptions
    from keras_fcn.prediction.predictor import make_predictor

    predictor = make_predictor(model, PredictionOptions(size=side))
    classes, matrix = dataset.class_map, 0
    for example in dataset.split("val").examples.as_numpy_iterator():
        matrix = matrix + confusion_matrix_of(
            example["label_map"],
            predictor.label_maps(example["image"][None])[0],
            classes.num_classes,
            classes.void_id,
        )
    return scores_report(matrix, dataset, "val")


def _parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", type=Path, help="the .npz file")
    parser.add_argument("--config", type=Path, required=True, help="the last recipe")
    parser.add_argument("--data-dir", type=Path, required=True, help="CamVid")
    parser.add_argument("--output-dir", type=Path, required=True, help="new folder")
    parser.add_argument("--variant", choices=VARIANTS, default="8s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--size", type=int, metavar="N", help="the one that it was trained with"
    )
    parser.add_argument(
        "--init-from",
        metavar="NAME",
        help="what the last recipe started from, for config.json",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
