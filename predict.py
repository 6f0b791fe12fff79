"""Predict label maps: `python predict.py image.png --model runs/NAME`."""

import sys

from keras_fcn.commands.predict import main

if __name__ == "__main__":
    sys.exit(main())
