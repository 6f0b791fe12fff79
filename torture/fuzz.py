"""Coverage-guided fuzzing of the parsers that are this project's own.

    pip install atheris
    python -m torture.fuzz safetensors --seconds 120

atheris (libFuzzer for Python) changes inputs so that they reach new lines. Any error
but ValueError and OSError ends it, with the input in a file.
"""

import argparse
import sys
import tempfile
from pathlib import Path

# Kinds of `torture.readers` that code of this project parses.
KINDS = (
    *("png", "jpeg", "tiff", "safetensors", "labels", "class-table", "names"),
    *("classes", "config", "checkpoint", "labelme", "coco"),
)


def main(argv: list[str] | None = None) -> None:
    """Fuzz one kind of file.

    Args:
        argv: the arguments; those of the process when None.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1, help="0 draws one")
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
