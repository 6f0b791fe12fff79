"""Running a command: parsing, logging, errors in one line."""

import argparse
import logging
import subprocess
import sys

import pytest
import tensorflow as tf

from keras_fcn.commands import command_line
from keras_fcn.commands.command_line import Command
from keras_fcn.commands.flags import add_flag
from keras_fcn.commands.parser import OneLineParser
from keras_fcn.errors import BatchTooLarge
from keras_fcn.options import Size, ValueRange, format_value
from keras_fcn.progress import Progress
from tests.support.commands import call, outcome, refusal
from tests.support.data import PROJECT


def add_arguments(parser):
    parser.add_argument("images", nargs="+")
    parser.add_argument("--batch-size", type=int, default=4, metavar="N", help="images")
    parser.add_argument("--tta", action="store_true", help="augment")
    parser.add_argument("--crop", default=(32, 64), help="size")
    parser.add_argument(
        "--flip", action=argparse.BooleanOptionalAction, default=True, help="mirror"
    )


def command_that_raises(error):
    def work(arguments, given):
        raise error

    return Command("Work.", add_arguments, work)


@pytest.fixture
def parser():
    parser = OneLineParser("work.py", "Work.", "%(prog)s [options]", "examples:\n  x")
    add_arguments(parser)
    return parser


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`batch_size` must be 1 or more", "--batch-size must be 1 or more"),
        ("more. Received: batch_size=0", "more. Received: --batch-size 0"),
        (
            "`crop` and `tta`; Received: crop=3x4",
            "--crop and --tta; Received: --crop 3x4",
        ),
        ("leave out `flip`", "leave out --flip"),
        ("`tta` and `flip` off", "--tta and --no-flip"),
        # Names that are not flags of the command are unchanged.
        ("`void_id` must be 3. Received: void_id=2", None),
        ("`images` are files. Received: images=2", None),
        ("the file batch_size=3/x.png has batch_size=3", None),
        ("Received: 2 for batch_size", None),
    ],
)  # fmt: skip
def test_names_of_arguments_become_flags(parser, message, expected):
    assert parser.with_flags(message) == (message if expected is None else expected)


def test_errors_name_flags_instead_of_arguments(capsys):
    error = ValueError("`batch_size` must be 1 or more.\nReceived: batch_size=0")
    line = refusal(command_that_raises(error), capsys, "x.png")
    needed = "error: --batch-size must be 1 or more. Received: --batch-size 0\n"
    assert line.endswith(needed)


@pytest.mark.parametrize(
    ("error", "status", "needed"),
    [
        (ValueError("`tta`: no"), 2, "--tta: no"),
        (FileNotFoundError("there is no x"), 2, "there is no x"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
        (FloatingPointError("the loss is nan"), 1, "the loss is nan"),
        (ValueError(), 2, "error: ValueError"),
        (MemoryError(), 1, "out of memory: lower --batch-size, or lower --crop, or "),
        (BatchTooLarge("`batch_size` 2 fits"), 1, "out of memory: --batch-size 2 fits"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "/tmp/cache/examples.data; No space left on device"
            ),
            2,
            "error: /tmp/cache/examples.data; No space left on device",
        ),
        (
            tf.errors.UnknownError(
                None,
                None,
                "{{function_node f}} FileNotFoundError: There is no file 2.png\n"
                "Traceback (most recent call last):\n  File x\n"
                "FileNotFoundError: There is no file 2.png\n\n\t [[{{node P}}]]",
            ),
            2,
            "error: There is no file 2.png\n",
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
            1,
            "or leave out --tta, or use smaller images",
        ),
    ],
)
def test_errors_are_one_line_with_a_status(capsys, error, status, needed):
    received, out, err = outcome(command_that_raises(error), capsys, "x.png")
    assert (received, out) == (status, "")
    assert len(err.splitlines()) == 1 and needed in err


def test_debug_raises_the_error(capsys):
    with pytest.raises(ValueError, match="^`tta`: no$"):
        command_that_raises(ValueError("`tta`: no")).main(["x.png", "--debug"])
    assert capsys.readouterr().err == ""


def test_unexpected_errors_are_raised():
    with pytest.raises(ZeroDivisionError):
        command_that_raises(ZeroDivisionError()).main(["x.png"])


@pytest.mark.parametrize("arguments", [["x.png"], ["x.png", "--debug"]])
def test_an_interrupt_is_one_line_and_status_130(capsys, arguments):
    command = command_that_raises(KeyboardInterrupt())
    status, out, err = outcome(command, capsys, *arguments)
    assert (status, out) == (130, "")
    assert err.strip().endswith(": interrupted") and err.count("\n") == 2


def test_a_closed_pipe_is_not_an_error():
    code = (
        "import sys\n"
        "from keras_fcn.commands import command_line\n"
        "command_line._start_backend = lambda: None\n"
        "def work(*_):\n"
        "    for line in range(100_000): print(line)\n"
        "sys.exit(command_line.Command('', lambda _: None, work).main([]))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_bad_arguments_are_refused_before_the_backend_starts(capsys, monkeypatch):
    monkeypatch.setattr(command_line, "_start_backend", pytest.fail)

    def check(arguments, given):
        raise ValueError(f"`batch_size` {arguments.batch_size}, {sorted(given)}")

    command = Command("Work.", add_arguments, pytest.fail, check)
    line = refusal(command, capsys, "--batch-size", 7, "x.png")
    assert "--batch-size 7, ['batch_size', 'images']" in line


def test_tensorflow_that_can_not_be_imported_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # importing it fails
    line = refusal(Command("Work.", add_arguments, pytest.fail), capsys, "x.png")
    assert (
        "KERAS_BACKEND=tensorflow requires a package that can't be imported: " in line
    )
    assert "import of tensorflow" in line


def test_work_gets_the_arguments_and_returns_the_status(capsys):
    seen = {}

    def work(arguments, given):
        seen.update(vars(arguments), given=given)
        return 3

    arguments = ("a.png", "--no-flip")
    status, _, _ = outcome(Command("Work.", add_arguments, work), capsys, *arguments)
    assert status == 3
    assert seen["images"] == ["a.png"] and seen["batch_size"] == 4
    assert seen["given"] == {"images", "flip"}


def test_logs_go_to_standard_error_with_control_characters_escaped():
    code = (
        "import logging\n"
        "from keras_fcn.commands import command_line\n"
        "command_line._start_backend = lambda: None\n"
        "def work(*_):\n"
        "    logging.getLogger('keras_fcn.training').info('epoch 1 of \\x1b[2J')\n"
        "    logging.getLogger('others').info('chatter')\n"
        "    print('result')\n"
        "    return 0\n"
        "command_line.Command('', lambda _: None, work).main([])\n"
    )
    process = call("-c", code)
    assert (process.stdout, process.stderr) == ("result\n", "epoch 1 of \\x1b[2J\n")


def test_given_arguments_are_those_on_the_command_line(parser):
    argv = ["x.png", "--batch-size", "4", "--no-flip"]  # 4 is the default too
    arguments, given = parser.parse(argv)
    assert given == {"images", "batch_size", "flip"}
    assert (arguments.batch_size, arguments.flip, arguments.tta) == (4, False, False)
    assert parser.parse(["x.png"])[1] == {"images"}


@pytest.mark.parametrize(
    ("argv", "needed"),
    [
        (["--batchsize", "3"], "there is no flag --batchsize (did you mean --batch-si"),
        (["--batch", "3"], "there is no flag --batch (did you mean --batch-size?)"),
        (["--no-filp"], "there is no flag --no-filp (did you mean --no-flip?)"),
        (["--crpo=3x4"], "there is no flag --crpo (did you mean --crop?)"),
        (["x.png", "--qqqqqqqq"], "there is no flag --qqqqqqqq (see work.py --help)"),
        (["x.png", "-z"], "unrecognized arguments: -z"),
        (["--batch-size"], "argument --batch-size: expected one argument"),
    ],
)
def test_an_unknown_flag_is_one_line_with_a_suggestion(parser, capsys, argv, needed):
    with pytest.raises(SystemExit) as caught:
        parser.parse(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"work.py: error: {needed}")


@pytest.mark.parametrize("text", ["-1,5", "-1.5,-0.5", "0,4095"])
def test_a_range_may_begin_with_a_negative_number(parser, text):
    add_flag(parser, "--value-range", ValueRange, "range")
    low, high = map(float, text.split(","))
    arguments, _ = parser.parse(["a.png", "--value-range", text])
    assert arguments.value_range == (low, high)


def test_arguments_after_two_hyphens_are_not_flags(parser):
    arguments, given = parser.parse(["--tta", "--", "--odd.png"])
    assert arguments.images == ["--odd.png"] and given == {"tta", "images"}


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ((360, 480), "360x480"),
        ([240, 480, 960], "240 480 960"),
        ([(32, 64), (0.5, 2.0)], "32x64 0.5,2.0"),
        ([], ""),
        ((), ""),
        ((0.5, 2.0), "0.5,2.0"),
        (3, "3"),
        (False, "off"),
    ],
)
def test_values_are_written_as_they_are_typed(value, typed):
    assert format_value(value) == typed


def test_help_shows_defaults_and_ends_with_examples(parser):
    lines = parser.format_help().splitlines()
    assert lines[0] == "usage: work.py [options]"
    assert lines[-2:] == ["examples:", "  x"]
    text = " ".join(" ".join(lines).split())
    for shown in ("images (default: 4)", "size (default: 32x64)"):
        assert shown in text
    assert text.count("(default:") == 3  # and --flip; none of --tta and the images


def test_help_shows_lists_as_they_are_typed_and_no_empty_list(parser):
    parser.add_argument("--columns", nargs="+", default=[240, 480], help="widths")
    parser.add_argument("--without", nargs="*", default=[], help="left out")
    parser.add_argument("--first", type=int, default=0, help="number")
    text = " ".join(parser.format_help().split())
    assert "widths (default: 240 480)" in text
    assert "left out (default" not in text
    assert "number (default: 0)" in text


def test_other_packages_log_warnings_only(capsys):
    outcome(Command("Work.", add_arguments, lambda *_: 0), capsys, "x.png")
    assert logging.getLogger("keras_fcn").getEffectiveLevel() == logging.INFO
    assert logging.getLogger("absl").getEffectiveLevel() == logging.ERROR


def test_an_unreadable_file_in_a_pipeline_is_named():
    message = "{{node x}} UnreadableImage: a.png is an empty file\nTraceback"
    error = tf.errors.InvalidArgumentError(None, None, message)
    assert command_line._reason_of_a_file(error) == "a.png is an empty file"
    other = tf.errors.InvalidArgumentError(None, None, "shapes differ")
    assert command_line._reason_of_a_file(other) is None


def test_a_log_line_is_written_above_a_progress_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    handler = command_line._LogHandler(sys.stderr)
    record = logging.LogRecord("x", logging.INFO, "", 0, "epoch 1", (), None)
    with Progress(description="Reading", total=2) as progress:
        progress.update()
        handler.emit(record)
    before, _, after = capsys.readouterr().err.partition("epoch 1\n")
    assert before.endswith("\r")  # the bar has been cleared
    assert after.lstrip("\r").startswith("Reading: 1/2 images")  # and drawn again


@pytest.fixture
def short(parser):
    """A parser with an everyday option, whose size may be given by position."""
    short = OneLineParser("work", "Work.", "%(prog)s [options]", "end", ("tta",))
    add_flag(short, "--size", Size, "size of the work", (32, 64))
    short.add_argument("--tta", action="store_true", help="five scales")
    short.accept_by_position("size")
    return short


@pytest.mark.parametrize(
    "argv", [["3x4"], ["--tta", "3x4"], ["3x4", "--tta"], ["--size", "3x4"]]
)
def test_the_value_of_a_flag_may_be_given_without_the_flag(short, argv):
    arguments, given = short.parse(argv)
    assert arguments.size == (3, 4) and given - {"tta"} == {"size"}
    assert short.parse([])[0].size == (32, 64) and not short.parse([])[1]


def test_two_values_of_a_flag_are_refused(short, capsys):
    with pytest.raises(SystemExit):
        short.parse(["3x4", "--size", "5x6"])
    assert "expected one HxW, got 3x4 and --size 5x6" in capsys.readouterr().err


def test_help_lists_everyday_options_and_help_all_lists_all(short, capsys):
    for flag, has_size in (("--help", False), ("--help-all", True)):
        with pytest.raises(SystemExit) as caught:
            short.parse([flag])
        out = capsys.readouterr().out
        assert caught.value.code == 0
        assert "--tta" in out and ("size of the work" in out) == has_size
        assert out.endswith("end\n") and "\x1b" not in out


def test_a_terminal_gets_colors_unless_no_color_is_set(short, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit):
        short.parse(["--help"])
    with pytest.raises(SystemExit):
        short.parse(["--siez", "3x4"])
    out, err = capsys.readouterr()
    assert "\x1b[1moptions:\x1b[0m" in out and "\x1b[36m--tta\x1b[0m" in out
    assert err.startswith("work: \x1b[1;31merror:\x1b[0m there is no flag --siez")
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch, pytest.raises(SystemExit):
            patch.setenv(name, value)
            short.parse(["--siez", "3x4"])
        assert "\x1b" not in capsys.readouterr().err
