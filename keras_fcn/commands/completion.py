"""Print a script that completes commands and options in a shell.

eval "$(keras-fcn completion bash)"          # in ~/.bashrc
keras-fcn completion zsh > ~/.zfunc/_keras-fcn
"""

import argparse
import importlib
from typing import Literal

from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import flag_type
from keras_fcn.commands.parser import OneLineParser

_SHELLS = Literal["bash", "zsh", "tcsh"]
_FOLDERS = ("DIR", "RUN", "RUN|NAME")
_FILES = ("FILE", "INPUT", "NAME|FILE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    parser.add_argument(
        "shell", type=flag_type(_SHELLS), metavar="SHELL", help="bash, zsh or tcsh"
    )


def work(arguments: argparse.Namespace, given: set[str]) -> int:
    """Print the script."""
    import shtab

    from keras_fcn.commands.main import COMMANDS

    parser = argparse.ArgumentParser(prog="keras-fcn")
    commands = parser.add_subparsers(parser_class=OneLineParser)
    for name, help in COMMANDS.items():
        module = importlib.import_module(f"keras_fcn.commands.{name}")
        command = module.main.__self__
        of_command = commands.add_parser(
            name, help=help, description="", usage="%(prog)s", examples=""
        )
        command.add_all_arguments(of_command)
        for action in of_command._actions:
            action.choices = getattr(action, "words", None)
            if action.metavar in _FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, arguments.shell))
    return 0


main = Command(
    __doc__,
    add_arguments,
    work,
    usage="%(prog)s SHELL",
    examples="examples:\n  %(prog)s bash\n",
    needs_backend=lambda _: False,
).main
