"""Segment images: `python predict.py image.png [--model runs/NAME]`.

Writes STEM_labels.png (a palette PNG whose values are class ids) and STEM_overlay.png.
"""

import sys
from pathlib import Path

from keras_fcn.command_line import (
    add_model_argument,
    add_prediction_arguments,
    make_predictor,
    run_command,
)


def add_arguments(parser):
    parser.add_argument(
        "images", nargs="+", help="images, folders (with their subfolders) or globs"
    )
    add_model_argument(parser)
    add_prediction_arguments(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the pictures; made when missing",
    )


def command(parser, arguments, argv):
    from keras_fcn.prediction import find_jobs, predict_images
    from keras_fcn.pretrained import find_model

    jobs = find_jobs(arguments.images, arguments.output_dir)
    run = find_model(arguments.model)
    class_map, model = run.read_class_map(), run.load_best_model()
    predict, _ = make_predictor(model, arguments)
    results = predict_images(predict, class_map, jobs)
    num_skipped = 0
    for count, (job, found) in enumerate(results, 1):
        num_skipped += found is None
        if found is not None:
            print(f"[{count}/{len(jobs)}] {job.image_path}: {found}", flush=True)
    if num_skipped == len(jobs):
        return 2
    print(f"Pictures: {arguments.output_dir}/")
    return 1 if num_skipped else 0


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
