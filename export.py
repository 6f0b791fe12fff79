"""Export a network: `python export.py --output-dir export/fcn`."""

import sys

from keras_fcn.commands.export import main

if __name__ == "__main__":
    sys.exit(main())
