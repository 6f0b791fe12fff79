"""Print the number of street scenes that one core renders in a second."""

import argparse
import time

import cv2

from street_rendering import render_street

NUM_WARM_UP = 20  # the first scenes also build the caches of noise, crowns and cars


def main(argv=None):
    """Render scenes on one thread and print the rate in CPU time."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--height", type=int, default=360, help="rows, pixels")
    parser.add_argument("--width", type=int, default=480, help="columns, pixels")
    parser.add_argument("--num-images", type=int, default=200, help="scenes to time")
    parser.add_argument("--seed", type=int, default=0, help="seed of the data set")
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    for index in range(NUM_WARM_UP):
        render_street(args.seed + 1, index, args.height, args.width)
    start = time.process_time()
    for index in range(args.num_images):
        render_street(args.seed, index, args.height, args.width)
    seconds = time.process_time() - start
    print(
        f"{args.num_images / seconds:.1f} images per second and core at "
        f"{args.width}x{args.height} ({args.num_images} images, "
        f"{1000 * seconds / args.num_images:.1f} ms each)"
    )


if __name__ == "__main__":
    main()
