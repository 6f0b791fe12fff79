"""Which workers train together: told by TF_CONFIG, or by Slurm.

Kubeflow, Vertex AI and SageMaker set TF_CONFIG; by hand it is

    TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]},
                "task": {"type": "worker", "index": 0}}'
"""

import json
import os
from dataclasses import dataclass

from keras_fcn.errors import shortened

_FIRST = ("chief", "master")  # names of a first worker that has a list of its own
_PORTS = range(20_000, 30_000)  # of which a job of Slurm gets some by its number


@dataclass(frozen=True)
class Cluster:
    """The workers of a training, in their order; the first one writes the run.

    Attributes:
        addresses: `host:port` of each.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int


def find_cluster() -> Cluster | None:
    """Return the workers that the environment names; None where there is one alone.

    Raises:
        ValueError: if TF_CONFIG is not as it should be.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if text:
        cluster = _read_tf_config(text)
    elif _number("SLURM_STEP_NUM_TASKS") > 1 and "SLURM_PROCID" in os.environ:
        cluster = _read_slurm()
    else:
        return None
    return cluster if cluster is not None and len(cluster.addresses) > 1 else None


def _read_tf_config(text):
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"TF_CONFIG must be JSON. Received: {shortened(text, 200)} ({error})"
        ) from error
    jobs = values.get("cluster", {}) if isinstance(values, dict) else None
    if not isinstance(jobs, dict) or not all(map(_is_addresses, jobs.values())):
        raise ValueError(
            'TF_CONFIG must have a "cluster" with lists of host:port. '
            f"Received: {shortened(text, 200)}"
        )
    if not jobs:
        return None
    others = sorted(jobs.keys() - {*_FIRST, "worker"})
    if others:
        raise ValueError(
            "TF_CONFIG must name workers alone, with a chief or without: there are no "
            f"parameter servers or evaluators here. Received: {', '.join(others)}"
        )
    first = [address for name in _FIRST for address in jobs.get(name, ())]
    if len(first) > 1:
        raise ValueError(
            "TF_CONFIG must name one first worker, which writes the run. Received "
            f"{len(first)}: {', '.join(first)}"
        )
    addresses = (*first, *jobs.get("worker", ()))
    if len(set(addresses)) < len(addresses):
        raise ValueError(
            "TF_CONFIG must give each worker an address of its own. "
            f"Received: {', '.join(addresses)}"
        )
    task = values.get("task")
    kind, index = (
        (task.get("type"), task.get("index")) if isinstance(task, dict) else (None,) * 2
    )
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    if kind not in jobs or type(index) is not int or not 0 <= index < len(jobs[kind]):
        raise ValueError(
            'TF_CONFIG must have a "task" whose type and index are those of one of '
            f"the cluster's workers. Received: {shortened(json.dumps(task), 200)}"
        )
    return Cluster(addresses, index if kind in _FIRST else index + len(first))


def _read_slurm():
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_PORTS[_number("SLURM_JOB_ID") % len(_PORTS)],
            gpus_per_node=1000,  # as many as tasks, so that it counts them; but
            gpus_per_task=1,
            auto_set_gpu=False,  # Slurm itself gives the tasks their GPUs
        )
        addresses = resolver.cluster_spec().job_tasks("worker")
        return Cluster(tuple(addresses), resolver.get_task_info()[1])
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"Slurm's variables name no workers: {error}") from error


def _number(name):
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def _is_addresses(value):
    return isinstance(value, list) and all(
        isinstance(address, str) and address.rpartition(":")[2].isdecimal()
        for address in value
    )
