"""Coverage-guided fuzzing of this project's parsers.

    pip install atheris
    python -m torture.fuzz safetensors --seconds 120

atheris (libFuzzer for Python) mutates inputs to reach new lines of code. Any exception
except ValueError and OSError ends the process, and the input is saved in a file.
"""

import argparse
import sys
import tempfile
from pathlib import Path

# Kinds of `torture.readers` that this project's code parses.
KINDS = (
    *("png", "jpeg", "tiff", "safetensors", "labels", "class-table", "names"),
    *("classes", "config", "checkpoint", "labelme", "coco"),
)


def main(argv: list[str] | None = None) -> None:
    """Fuzz one kind of file.

    Args:
        argv: command-line arguments; `sys.argv` when None.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1, help="0 for a random seed")
    arguments = parser.parse_args(argv)
    import atheris

    with atheris.instrument_imports(include=["keras_fcn"]):
        from torture import readers
    kind = readers.KINDS[arguments.kind]
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for index, content in enumerate(kind.seeds()):
        (corpus / str(index)).write_bytes(content)

    def read(content):
        path = folder / f"input{kind.suffix}"
        path.write_bytes(content)
        try:
            kind.read(path)
        except (ValueError, OSError):
            pass

    options = [f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}"]
    options += ["-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
