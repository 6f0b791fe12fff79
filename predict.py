"""Segment images: `python predict.py image.png [--model runs/NAME]`.

Writes STEM_labels.png (a palette PNG whose values are class ids) and STEM_overlay.png.
"""

import sys
from pathlib import Path

from keras_fcn.command_line import (
    add_model_argument,
    add_prediction_arguments,
    add_server_arguments,
    check_server_arguments,
    make_predictor,
    run_command,
)
from keras_fcn.config import given_arguments


def add_arguments(parser):
    parser.add_argument(
        "images", nargs="+", help="images, folders (with their subfolders) or globs"
    )
    add_model_argument(parser)
    add_prediction_arguments(parser)
    add_server_arguments(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=Path("predictions"),
        metavar="DIR",
        help="folder for the pictures; made when missing",
    )


def command(parser, arguments, argv):
    from keras_fcn.prediction import find_jobs

    check_server_arguments(given_arguments(parser, argv))
    jobs = find_jobs(arguments.images, arguments.output_dir)
    predict = predict_by_server if arguments.server else predict_here
    num_skipped = 0
    for count, (job, found) in enumerate(predict(arguments, jobs), 1):
        num_skipped += found is None
        if found is not None:
            print(f"[{count}/{len(jobs)}] {job.image_path}: {found}", flush=True)
    if num_skipped == len(jobs):
        return 2
    print(f"Pictures: {arguments.output_dir}/")
    return 1 if num_skipped else 0


def predict_here(arguments, jobs):
    from keras_fcn.prediction import predict_images
    from keras_fcn.pretrained import find_model

    run = find_model(arguments.model)
    class_map, model = run.read_class_map(), run.load_best_model()
    predict, _ = make_predictor(model, arguments)
    return predict_images(predict, class_map, jobs)


def predict_by_server(arguments, jobs):
    from keras_fcn.pretrained import find_model
    from keras_fcn.serving_client import connect, predict_images_by_server

    class_map = find_model(arguments.model).read_class_map()
    send = connect(arguments.server, arguments.timeout, arguments.retries)
    return predict_images_by_server(send, class_map, jobs, arguments.images_per_request)


def main(argv=None):
    return run_command(__doc__, add_arguments, command, argv)


if __name__ == "__main__":
    sys.exit(main())
