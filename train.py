"""Train FCN-32s, 16s or 8s: `python train.py --variant 32s`."""

import sys

from keras_fcn.commands.train import main

if __name__ == "__main__":
    sys.exit(main())
