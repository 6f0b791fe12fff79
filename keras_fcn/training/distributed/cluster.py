"""The workers of a training, from TF_CONFIG or from Slurm's variables.

Kubeflow, Vertex AI and SageMaker set TF_CONFIG. Set by hand it is, for example,

    TF_CONFIG='{"cluster": {"worker": ["host1:2222", "host2:2222"]},
                "task": {"type": "worker", "index": 0}}'
"""

import json
import os
from dataclasses import dataclass

from keras_fcn.errors import shortened

_FIRST = ("chief", "master")  # a first worker may have a job of its own
_PORTS = range(20_000, 30_000)  # a Slurm job uses those that its number selects


@dataclass(frozen=True)
class Cluster:
    """The workers of a training in their order; the first one writes the run.

    Attributes:
        addresses: `host:port` of each.
        index: number of this process, from 0.
    """

    addresses: tuple[str, ...]
    index: int


def find_cluster() -> Cluster | None:
    """Return the workers that the environment names; None if this is the only one.

    Raises:
        ValueError: if TF_CONFIG or Slurm's variables are not usable.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if text:
        cluster = _read_tf_config(text)
    elif _number("SLURM_STEP_NUM_TASKS") > 1 and "SLURM_PROCID" in os.environ:
        cluster = _read_slurm()
    else:
        return None
    return cluster if cluster is not None and len(cluster.addresses) > 1 else None


def _read_tf_config(text: str) -> Cluster | None:
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
            "TF_CONFIG must name workers only, with or without a chief: parameter "
            f"servers and evaluators are not supported. Received: {', '.join(others)}"
        )
    first = [address for name in _FIRST for address in jobs.get(name, ())]
    if len(first) > 1:
        raise ValueError(
            "TF_CONFIG must name one chief, which writes the run. Received "
            f"{len(first)}: {', '.join(first)}"
        )
    addresses = (*first, *jobs.get("worker", ()))
    if len(set(addresses)) < len(addresses):
        raise ValueError(
            "TF_CONFIG must name a different address for each worker. "
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
            'TF_CONFIG must have a "task" with the type and index of one of the '
            f"cluster's workers. Received: {shortened(json.dumps(task), 200)}"
        )
    return Cluster(addresses, index if kind in _FIRST else index + len(first))


def _read_slurm() -> Cluster:
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_PORTS[_number("SLURM_JOB_ID") % len(_PORTS)],
            gpus_per_node=1000,  # a limit that no node reaches
            gpus_per_task=1,
            auto_set_gpu=False,  # Slurm assigns the GPUs to the tasks
        )
        addresses = resolver.cluster_spec().job_tasks("worker")
        return Cluster(tuple(addresses), resolver.get_task_info()[1])
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"The workers can't be read from Slurm's variables: {error}"
        ) from error


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def _is_addresses(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(address, str) and address.rpartition(":")[2].isdecimal()
        for address in value
    )
