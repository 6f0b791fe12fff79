"""Running the commands as a user does, in this process."""


def outcome(command, capsys, *arguments):
    """Exit status, standard output and standard error of a command."""
    try:
        status = command.main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        status = exit_.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def refusal(command, capsys, *arguments):
    """The one line with which a command refuses bad input."""
    status, out, err = outcome(command, capsys, *arguments)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert "Traceback" not in err
    return err


def training_arguments(folder, run_dir, **changes):
    values = {
        "dataset": "folder",
        "data-dir": folder,
        "head": "compact",
        "weights": "none",
        "epochs": 1,
        "batch-size": 4,
        "crop": "32x32",
        "precision": "float32",
        "run-dir": run_dir,
        **changes,
    }
    pairs = ((f"--{name}", value) for name, value in values.items())
    return [part for pair in pairs for part in pair]
