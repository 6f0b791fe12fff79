"""What `tests/test_jax_backend.py` compares between the backends.

    KERAS_BACKEND=jax python -m tests.support.backend_results FIT FIRST SECOND START OUT

prints `all_results` as JSON.
"""

import json
import sys
from pathlib import Path

import keras

from tests.support.backend_values import backend_values
from tests.support.fit import fit_results
from tests.support.jax_training import train_all


def all_results(fit_folder, folder, second, start, runs):
    """Values, a training by `fit`, and histories of trainings, for JSON."""
    return {
        "backend": keras.backend.backend(),
        "values": backend_values(),
        "fit": fit_results(fit_folder, Path(runs) / "logs"),
        "trainings": train_all(folder, second, start, runs),
    }


if __name__ == "__main__":
    print(json.dumps(all_results(*sys.argv[1:])))
