"""Workers of one training as processes of this machine, which meet on loopback."""

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
    """Return addresses on loopback that nobody listens on.

    Args:
        count: how many.
    """
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.socket()) for _ in range(count)]
        for server in servers:
            server.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]


def tf_config(addresses: Sequence[str], index: int) -> str:
    """Return TF_CONFIG of a worker.

    Args:
        addresses: of all workers.
        index: which of them it is.
    """
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


def start_workers(
    arguments: Sequence[object], count: int, logs: Path
) -> list[subprocess.Popen]:
    """Start `train.py` as so many workers; one alone has no TF_CONFIG.

    Args:
        arguments: of the command, the same for all.
        count: number of workers.
        logs: folder; what worker I says goes to `worker-I.log`.
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
                    [sys.executable, "train.py", *map(str, arguments)],
                    cwd=PROJECT,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return workers
