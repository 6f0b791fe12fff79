"""Flags made from `keras_fcn.options`, and flags that several commands share."""

import argparse
from collections.abc import Callable, Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

from keras_fcn.config import DATA_FIELDS, DEFAULT_NETWORK, TrainingConfig
from keras_fcn.options import choices, kind_of, parse
from keras_fcn.runs.names import check_run, network_path
from keras_fcn.storage.outputs import check_replaces_own


def flag_type(annotation: Any) -> Callable[[str], Any]:
    """Return the conversion of a flag's text, for argparse.

    Args:
        annotation: a kind, such as `keras_fcn.options.Size`.
    """

    def convert(text: str) -> Any:
        try:
            return parse(annotation, text)
        except ValueError as error:  # argparse would drop its message
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def add_flag(
    parser: argparse._ActionsContainer,
    flag: str,
    annotation: Any,
    help: str,
    default: Any = None,
    metavar: str | None = None,
) -> None:
    """Add a flag for a kind of option; a `bool` gets `--no-FLAG` too.

    Args:
        parser: a parser or a group of it.
        flag: as it is typed, such as "--batch-size".
        annotation: a kind, such as `keras_fcn.options.Size`.
        help: one line; the values of a choice are added to it.
        default: the value if the flag is not given.
        metavar: stands for the value in the help; that of the kind if None.
    """
    if annotation is bool:  # argparse's `type=bool` would convert "no" to True
        switch = argparse.BooleanOptionalAction
        parser.add_argument(flag, action=switch, default=default, help=help)
        return
    # Not argparse's `choices`: its errors suggest no word, and its usage lists all.
    words = choices(annotation)
    action = parser.add_argument(
        flag,
        type=flag_type(annotation),
        default=default,
        metavar=metavar or kind_of(annotation).metavar,
        help=f"{help}; one of {', '.join(words)}" if words else help,
    )
    action.words = words  # type: ignore[attr-defined]  # for shell completion


def add_config_arguments(
    parser: argparse._ActionsContainer,
    names: Collection[str],
    show_defaults: bool = True,
) -> None:
    """Add flags for fields of `TrainingConfig`.

    Args:
        parser: a parser or a group of it.
        names: the fields.
        show_defaults: give the flags the fields' defaults; otherwise None.
    """
    for field in fields(TrainingConfig):
        if field.name in names:
            add_flag(
                parser,
                "--" + field.name.replace("_", "-"),
                field.type,
                field.metadata["help"],
                field.default if show_defaults else None,
                field.metadata["metavar"],
            )


def add_model_argument(parser: argparse._ActionsContainer) -> None:
    """Add the flag that selects a trained network, for `find_network`."""
    parser.add_argument(
        "--model",
        type=_parse_network,
        default=DEFAULT_NETWORK,
        metavar="RUN|NAME",
        help="folder of a run or of a packed network, or name of a bundled network",
    )


def _parse_network(text: str) -> str:
    try:
        network_path(text)
    except OSError as error:  # found before TensorFlow is imported, which takes seconds
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def parse_run(text: str) -> Path:
    """Convert the text of a flag to the folder of a run.

    Raises:
        argparse.ArgumentTypeError: if there is no run, or it is a packed network.
    """
    try:
        check_run(Path(text))
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Path(text)


def check_output_file(
    name: str,
    path: Path | None,
    own: bytes,
    inputs: Collection[Path],
    suffixes: Collection[str] = (),
) -> None:
    """Check that a file can be written, before hours of work.

    Args:
        name: the argument's name.
        path: the file; None is accepted.
        own: as for `check_replaces_own`.
        inputs: files and folders that the command reads.
        suffixes: those that its name may have, in lower case; any if empty.

    Raises:
        ValueError: if the suffix is another one, or a file would be replaced that the
            command has not written.
        FileNotFoundError: if its folder does not exist, or it is a folder itself.
    """
    if path is None:
        return
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(
            f"`{name}` must be a file in {' or '.join(suffixes)}. "
            f"Received: {name}={path}"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise FileNotFoundError(
            f"`{name}` must be a file in an existing folder. Received: {name}={path}"
        )
    check_replaces_own(path, own, inputs)


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags for another data set than that of the training."""
    group = parser.add_argument_group(
        "data", "Options that are not given are taken from the training run."
    )
    add_config_arguments(group, DATA_FIELDS, show_defaults=False)


def given_data(arguments: argparse.Namespace, given: set[str]) -> dict[str, Any]:
    """Return the values of the flags for the data that were given.

    Args:
        arguments: have the values of the flags.
        given: names of the flags that were given.
    """
    return {name: getattr(arguments, name) for name in given.intersection(DATA_FIELDS)}
