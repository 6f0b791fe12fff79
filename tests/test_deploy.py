"""The manifests for Kubernetes: schema, commands and environment."""

import json
import os
import re
import shlex
import subprocess

import kubernetes_validate
import pytest
import yaml

from keras_fcn.commands import predict
from keras_fcn.commands.parser import OneLineParser
from tests.support.data import PROJECT

MANIFEST = PROJECT / "deploy" / "kubernetes-training.yaml"
SERVICE, JOB = yaml.safe_load_all(MANIFEST.read_text())
PINS = (PROJECT / "requirements-dev.txt").read_text()
RAY_JOB = yaml.safe_load((PROJECT / "deploy/ray-prediction.yaml").read_text())


@pytest.mark.parametrize("resource", [SERVICE, JOB], ids=["Service", "Job"])
def test_training_manifest_is_valid_for_kubernetes(resource):
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(resource, version, strict=True)


def test_tf_config_of_a_pod_has_its_index():
    pod = JOB["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    program, flag, script = container["command"]
    variables = {item["name"]: item["value"] for item in container["env"]}
    script = script.replace("exec keras-fcn", "echo $TF_CONFIG; true")
    printed = subprocess.run(
        [program, flag, script],
        env={**os.environ, **variables, "JOB_COMPLETION_INDEX": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    config = json.loads(printed)
    name, service = JOB["metadata"]["name"], SERVICE["metadata"]["name"]
    assert pod["subdomain"] == service
    assert config["task"] == {"type": "worker", "index": 2}
    assert config["cluster"]["worker"] == [
        f"{name}-{index}.{service}:2222" for index in range(JOB["spec"]["completions"])
    ]
    assert JOB["spec"]["completions"] == JOB["spec"]["parallelism"]


def ray_pods():
    """Number of pods and pod template of each group of the cluster."""
    cluster = RAY_JOB["spec"]["rayClusterSpec"]
    pods = {"head": (1, cluster["headGroupSpec"]["template"])}
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        pods[group["groupName"]] = group["replicas"], group["template"]
    return pods


@pytest.mark.parametrize("group", ray_pods())
def test_pods_of_the_ray_cluster_are_valid_for_kubernetes(group):
    _, template = ray_pods()[group]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template}
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(pod, version, strict=True)


def test_ray_job_has_one_worker_per_gpu():
    assert (RAY_JOB["apiVersion"], RAY_JOB["kind"]) == ("ray.io/v1", "RayJob")
    number, template = ray_pods()["gpu"]
    (container,) = template["spec"]["containers"]
    gpus = number * container["resources"]["limits"]["nvidia.com/gpu"]
    shell, flag, script = shlex.split(RAY_JOB["spec"]["entrypoint"])
    command, _, status = script.partition(";")
    program, name, *words = shlex.split(command)
    assert (shell, flag, program, name) == ("sh", "-c", "keras-fcn", "predict")
    parser = OneLineParser("predict", "", "", "")
    predict.add_arguments(parser)
    arguments, _ = parser.parse(words)
    assert (arguments.ray, arguments.workers) == ("auto", gpus)
    for before, after in ((0, 0), (1, 0), (2, 1), (143, 1)):
        done = subprocess.run([shell, flag, f"(exit {before});{status}"])
        assert done.returncode == after


def test_ray_cluster_has_the_pinned_version_of_ray():
    pinned = re.search(
        r"^ray==(\S+)", (PROJECT / "requirements-dev.txt").read_text(), re.M
    )
    assert RAY_JOB["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
