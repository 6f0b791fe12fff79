"""`python -m keras_fcn` is the console command `keras-fcn`."""

import sys

from keras_fcn.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
