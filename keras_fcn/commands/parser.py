"""Argument parsing: errors in one line with the nearest flag, and readable help."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from keras_fcn.errors import did_you_mean


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports bad arguments in one line, with exit status 2.

    Args:
        prog: name of the command; that of the script if None.
        description: first lines of the help.
        usage: first line of the help.
        examples: last lines of the help.
    """

    def __init__(self, prog: str | None, description: str, usage: str, examples: str):
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            epilog=examples,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, set[str]]:
        """Parse arguments.

        Args:
            argv: the arguments after the command's name.

        Returns:
            The arguments, and the names of those that are in `argv`.
        """
        self._refuse_unknown_flags(argv)
        arguments = self.parse_args(argv)
        # argparse sets no default where the namespace has a value already.
        not_given = object()
        empty = argparse.Namespace(**dict.fromkeys(vars(arguments), not_given))
        given = vars(self.parse_args(argv, empty))
        return arguments, {name for name in given if given[name] is not not_given}

    def error(self, message: str) -> NoReturn:
        """Print an error as one line and exit with status 2; called by argparse."""
        message = " ".join(self.with_flags(message).split())
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse would ignore that a file can't be written."""
        print(self.format_help(), end="", file=file)

    def with_flags(self, message: str) -> str:
        """Replace the names of arguments in a message by flags.

        Args:
            message: names arguments as the library does, as in "`batch_size`",
                "`augment` off" or "Received: batch_size=0".
        """
        flags = {}
        for action in self._actions:
            if action.option_strings:  # the last one of a switch turns it off
                flags[action.dest] = action.option_strings[0]
                flags[f"{action.dest} off"] = action.option_strings[-1]
        message = re.sub(
            r"`(\w+)`( off)?",
            lambda match: flags.get(match[1] + (match[2] or ""), match[0]),
            message,
        )
        return re.sub(
            r"(?<=Received: )(\w+)=",
            lambda match: f"{flags[match[1]]} " if match[1] in flags else match[0],
            message,
        )

    def _refuse_unknown_flags(self, argv: Sequence[str]) -> None:
        # argparse reports missing arguments first, and offers no nearest flag.
        before_names = argv[: argv.index("--")] if "--" in argv else argv
        for argument in before_names:
            flag = argument.partition("=")[0]
            if flag.startswith("--") and flag not in self._option_string_actions:
                nearest = did_you_mean(flag, self._option_string_actions)
                self.error(f"there is no flag {flag}{nearest}")


class _HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Shows defaults as they are typed, such as 360x480, and leaves out None."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        has_default = not any(  # compared by `is`, because 0 == False
            action.default is nothing for nothing in (None, False, argparse.SUPPRESS)
        )
        default = format_value(action.default)
        # Python 3.10 adds the default of a switch to its help itself.
        if not has_default or not default or "(default" in str(action.help):
            return action.help
        return f"{action.help} (default: {default})"


def format_value(value: object) -> str:
    """Return a value as it is typed on the command line, such as 360x480 or 0.5,1.5.

    Args:
        value: a value of any option; a list for a flag that takes several values.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return " ".join(map(format_value, value))
    if isinstance(value, tuple):  # a size or a range
        return ("," if float in map(type, value) else "x").join(map(str, value))
    return str(value)
