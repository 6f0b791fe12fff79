"""The manifest of a training on Kubernetes: its schema, and what it sets."""

import json
import os
import subprocess

import kubernetes_validate
import pytest
import yaml

from tests.support.data import PROJECT

MANIFEST = PROJECT / "deploy" / "kubernetes-training.yaml"
SERVICE, JOB = yaml.safe_load_all(MANIFEST.read_text())


@pytest.mark.parametrize("resource", [SERVICE, JOB], ids=["Service", "Job"])
def test_the_manifest_follows_the_schema_of_kubernetes(resource):
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(resource, version, strict=True)


def test_each_pod_is_a_worker_by_its_index():
    pod = JOB["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    program, flag, script = container["command"]
    variables = {item["name"]: item["value"] for item in container["env"]}
    script = script.replace("exec python", "echo $TF_CONFIG; true")
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
