"""Argument parsing: errors in one line with the nearest flag, and readable help."""

import argparse
import re
import sys
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, NoReturn, TextIO, cast

from keras_fcn.commands.terminal import paint
from keras_fcn.errors import did_you_mean
from keras_fcn.options import format_value

_BY_POSITION = "by_position"  # argument of a value that is given without its flag


class OneLineParser(argparse.ArgumentParser):
    """A parser that reports bad arguments in one line, with exit status 2.

    Args:
        prog: name of the command; that of the script if None.
        description: first lines of the help.
        usage: first line of the help.
        examples: last lines of the help.
        everyday: arguments that `--help` lists; `--help-all` lists all. Without them,
            `--help` lists all.
    """

    def __init__(
        self,
        prog: str | None,
        description: str,
        usage: str,
        examples: str,
        everyday: Collection[str] = (),
    ):
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            epilog=examples,
            formatter_class=_HelpFormatter,
            allow_abbrev=False,
        )
        # argparse takes -1 for a value, but -1,5 for a flag.
        self._negative_number_matcher = re.compile(r"-\.?\d[\d.,e+-]*$")
        self._everyday = everyday
        self._by_position: argparse.Action | None = None
        if everyday:
            self.add_argument(
                "--help-all", action=_HelpAll, nargs=0, help="list all options and exit"
            )

    def accept_by_position(self, name: str) -> None:
        """Accept the value of a flag without the flag, too.

        Args:
            name: the flag's argument, such as `data_dir` of `--data-dir DIR`.
        """
        (action,) = (action for action in self._actions if action.dest == name)
        self._by_position = action
        self.add_argument(
            _BY_POSITION,
            nargs="?",
            type=cast(Any, action.type),
            metavar=action.metavar,
            help=f"the same as {action.option_strings[0]}",
        )

    def print_help(self, file: Any = None) -> None:
        """Print the help in color if it is written to a terminal."""
        self._print(self.format_help(), file)

    def print_full_help(self) -> None:
        """Print the help with all options."""
        self._print(super().format_help())

    def format_help(self) -> str:
        """Return the help: of the everyday options, if there are any."""
        if not self._everyday:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        formatter.start_section("options")
        formatter.add_arguments(
            [
                action
                for name in self._everyday
                for action in self._actions
                if action.dest == name
            ]
        )
        formatter.end_section()
        formatter.add_text(f"All options: {self.prog} --help-all")
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _print(self, text: str, file: Any = None) -> None:
        stream = file or sys.stdout
        for pattern, style in ((r"^\S.*:$", "bold"), (r"(?<=^  )-.*?(?=  |$)", "flag")):
            color = partial(_paint_match, style, stream)
            text = re.sub(pattern, color, text, flags=re.MULTILINE)
        stream.write(text)

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, set[str]]:
        """Parse arguments.

        Args:
            argv: the arguments after the command's name.

        Returns:
            The arguments, and the names of those that are in `argv`.
        """
        self._refuse_unknown_flags(argv)
        # Intermixed, so that an optional name may follow flags.
        is_mixed = self._by_position is not None
        parse = self.parse_intermixed_args if is_mixed else self.parse_args
        arguments = parse(argv)
        # argparse sets no default where the namespace has a value already.
        not_given = object()
        empty = argparse.Namespace(**dict.fromkeys(vars(arguments), not_given))
        values = vars(parse(argv, empty))
        given = {name for name in values if values[name] is not not_given}
        if self._by_position is not None:
            self._set_by_position(self._by_position, arguments, given)
        return arguments, given

    def _set_by_position(
        self, flag: argparse.Action, arguments: argparse.Namespace, given: set[str]
    ) -> None:
        """Move a value that was given without its flag to the flag's argument."""
        value, name = vars(arguments).pop(_BY_POSITION), flag.dest
        given.discard(_BY_POSITION)
        if value is None:
            return
        if name in given:
            other = f"{flag.option_strings[0]} {format_value(getattr(arguments, name))}"
            self.error(
                f"expected one {flag.metavar}, got {format_value(value)} and {other}"
            )
        setattr(arguments, name, value)
        given.add(name)

    def error(self, message: str) -> NoReturn:
        """Print an error as one line and exit with status 2; called by argparse."""
        message = " ".join(self.with_flags(message).split())
        error = paint("error:", "error", sys.stderr)
        self.exit(2, f"{self.prog}: {error} {message} (see {self.prog} --help)\n")

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
                nearest = did_you_mean(flag, self._option_string_actions, "--")
                self.error(f"there is no flag {flag}{nearest}")


def _paint_match(style: str, stream: TextIO, match: re.Match[str]) -> str:
    return paint(match[0], style, stream)


class _HelpAll(argparse.Action):
    """Prints the help with all options, and exits."""

    def __call__(self, parser, namespace, values, option_string=None):
        parser.print_full_help()
        parser.exit()


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
