"""Evaluate a network: `python evaluate.py --model runs/NAME`."""

import sys

from keras_fcn.commands.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
