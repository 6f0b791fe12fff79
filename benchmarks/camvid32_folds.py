"""Cross-validation on CamVid's 32 classes: `python -m benchmarks.camvid32_folds`.

With `--labels`, writes data sets to `--output-dir`: `fold0/` to `fold4/` contain the
labeled frames, each in `val/` of one fold and in `train/` of the others, in the layout
of `--dataset camvid32`; `start/` contains all other frames of CamVid with SegNet's 11
classes, for `--dataset folder`.

With `--runs`, prints the scores of the runs of all folds over all of their validation
images, from the files that `keras-fcn evaluate --split val` wrote to the runs.
"""

import argparse
import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.parser import OneLineParser

_NUM_FOLDS = 5
_SUFFIX = "_L.png"


def add_arguments(parser: OneLineParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help=f"folder of labels/NAME{_SUFFIX} and class_dict.csv, 32 classes",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default="data/CamVid",
        metavar="DIR",
        help="CamVid in SegNet's split",
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        default="data/camvid32-folds",
        metavar="DIR",
        help="new folder for the data sets",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="print the scores of these runs",
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Write the data sets, or print the table."""
    if (arguments.labels is None) == (arguments.runs is None):
        raise ValueError("Give either --labels or --runs")
    if arguments.runs is None:
        if arguments.output_dir.exists():
            raise FileExistsError(f"{arguments.output_dir} exists already")
        _write_folds(arguments.labels, arguments.data_dir, arguments.output_dir)
    else:
        print(format_table(arguments.runs))
    return 0


def _write_folds(labels_dir, camvid_dir, output_dir):
    splits = ("train", "val", "test")
    images = {
        path.stem: path
        for split in splits
        for path in (camvid_dir / split).glob("*.png")
    }
    label_paths = sorted((labels_dir / "labels").glob(f"*{_SUFFIX}"))
    names = [path.name.removesuffix(_SUFFIX) for path in label_paths]
    if not names or not images.keys() >= set(names):
        raise FileNotFoundError(
            f"{labels_dir}/labels must have files NAME{_SUFFIX} of the images "
            f"{camvid_dir}/*/NAME.png"
        )
    for fold in range(_NUM_FOLDS):
        folder = output_dir / f"fold{fold}"
        for index, (name, path) in enumerate(zip(names, label_paths, strict=True)):
            # In the order of the frames: training frames surround those of validation.
            split = "val" if index % _NUM_FOLDS == fold else "train"
            image = _copy(images[name], folder / split)
            with Image.open(image) as opened, Image.open(path) as label_map:
                resized = label_map.resize(opened.size, Image.Resampling.NEAREST)
            (folder / f"{split}_labels").mkdir(exist_ok=True)
            resized.save(folder / f"{split}_labels" / path.name)
        shutil.copy(labels_dir / "class_dict.csv", folder)
    for name in sorted(images.keys() - set(names)):
        source = images[name]
        split = "val" if source.parent.name == "val" else "train"
        _copy(source, output_dir / "start" / split)
        label_path = source.parent.with_name(f"{source.parent.name}annot") / source.name
        _copy(label_path, output_dir / "start" / f"{split}annot")
    from keras_fcn.datasets.camvid import CLASS_MAP

    table = "".join(f"{index},{name}\n" for index, name in enumerate(CLASS_MAP.names))
    table = f"id,name\n{table}{CLASS_MAP.num_classes},void\n"
    (output_dir / "start" / "class_dict.csv").write_text(table)


def _copy(path, folder):
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.copy(path, folder)


def format_table(runs: list[Path]) -> str:
    """Format the scores over the validation images of all runs, with and without Void.

    Scores with Void are those of the whole confusion matrix. Without Void, pixels with
    this label are not counted. The mean IoU is over the classes in the labels.
    """
    reports = [
        json.loads((run / "evaluation-val" / "scores.json").read_text()) for run in runs
    ]
    names = list(reports[0]["per_class_iou"])
    matrix = sum(np.array(report["confusion_matrix"]) for report in reports)
    is_void = np.array([name.lower() == "void" for name in names])
    num_images = sum(report["num_images"] for report in reports)
    lines = [
        f"Runs: {len(runs)}, validation images: {num_images}",
        "| pixels labeled Void | pixel accuracy | mean IoU | classes |",
        "|---|---|---|---|",
    ]
    for rule, is_counted in (("counted", is_void >= 0), ("not counted", ~is_void)):
        counted = matrix * is_counted[:, None]
        unions = counted.sum(0) + counted.sum(1) - np.diag(counted)
        present = counted.sum(1) > 0
        mean_iou = np.mean(np.diag(counted)[present] / unions[present])
        accuracy = np.trace(counted) / counted.sum()
        lines.append(f"| {rule} | {accuracy:.2%} | {mean_iou:.2%} | {present.sum()} |")
    last = [_last_epoch(run) for run in runs]
    lines += [
        "",
        "These are the best networks by validation mean IoU. After the last epoch: "
        f"pixel accuracy {np.mean(last):.2%} (mean of the runs).",
    ]
    return "\n".join(lines)


def _last_epoch(run):
    with (run / "history.csv").open(newline="") as file:
        *_, row = csv.DictReader(file)
    return float(row["val_pixel_accuracy"])


main = Command(__doc__, add_arguments, work).main

if __name__ == "__main__":
    sys.exit(main())
