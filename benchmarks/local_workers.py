"""Workers of a distributed training as processes on this machine."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def free_addresses(count: int) -> list[str]:
    """Return unused addresses on the loopback interface."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.socket()) for _ in range(count)]
        for server in servers:
            server.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]


def tf_config(addresses: Sequence[str], index: int) -> str:
    """Return the value of TF_CONFIG for a worker.

    Args:
        addresses: addresses of all workers.
        index: index of the worker.
    """
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def start_workers(
    arguments: Sequence[object],
    count: int,
    logs: Path,
    program: Sequence[str] = ("train.py",),
) -> list[subprocess.Popen]:
    """Start a training as several workers; a single one gets no TF_CONFIG.

    Args:
        arguments: command-line arguments, the same for all.
        count: number of workers.
        logs: folder for the output of the workers, `worker-INDEX.log`.
        program: Python's arguments before those of the command line.
    """
    logs.mkdir(parents=True, exist_ok=True)
    addresses = free_addresses(count)
    workers = []
    for index in range(count):
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        if count > 1:
            environment["TF_CONFIG"] = tf_config(addresses, index)
        with (logs / f"worker-{index}.log").open("w") as log:
            workers.append(
                subprocess.Popen(
                    [sys.executable, *program, *map(str, arguments)],
                    cwd=PROJECT,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return workers
