"""Clusters from TF_CONFIG and Slurm variables, and invalid ones."""

import json

import pytest

from keras_fcn.training.distributed.cluster import Cluster, find_cluster

HOSTS = ["one:1", "two:2", "three:3"]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def find(monkeypatch):
    def find(cluster, kind="worker", index=0):
        values = {"cluster": cluster, "task": {"type": kind, "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(values))
        return find_cluster()

    return find


def test_there_is_no_cluster_without_other_workers(find, monkeypatch):
    assert find_cluster() is None
    assert find({}) is None
    assert find({"worker": ["one:1"]}) is None  # Vertex AI with a single machine
    monkeypatch.setenv("TF_CONFIG", " ")
    assert find_cluster() is None


def test_workers_are_in_the_order_of_tf_config(find):
    assert find({"worker": HOSTS}, index=2) == Cluster(tuple(HOSTS), 2)
    assert find({"worker": HOSTS}, index="1") == Cluster(tuple(HOSTS), 1)


@pytest.mark.parametrize("name", ["chief", "master"])
def test_the_chief_is_the_first_worker(find, name):
    jobs = {"worker": HOSTS[1:], name: HOSTS[:1]}
    assert find(jobs, name, 0) == Cluster(tuple(HOSTS), 0)
    assert find(jobs, "worker", 1) == Cluster(tuple(HOSTS), 2)


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "message"),
    [
        ({"chief": ["a:1", "b:1"]}, "chief", 0, "one chief.* Received 2: a:1"),
        ({"chief": ["a:1"], "master": ["b:1"]}, "chief", 0, "one chief"),
        ({"worker": ["a:1", "a:1"]}, "worker", 0, "a different address"),
        (
            {"worker": HOSTS, "ps": ["a:1"]},
            "ps",
            0,
            "parameter servers .* not supported.* ps$",
        ),
        ({"worker": HOSTS}, "worker", 3, 'type and index of one of .*"index": 3'),
        ({"worker": HOSTS}, "worker", -1, "type and index of one of"),
        ({"worker": HOSTS}, "worker", None, "type and index of one of"),
        ({"worker": HOSTS}, "chief", 0, "type and index of one of"),
        ({"worker": ["a"]}, "worker", 0, "lists of host:port"),
        ({"worker": "a:1"}, "worker", 0, "lists of host:port"),
        (["a:1"], "worker", 0, "lists of host:port"),
    ],
)
def test_an_invalid_tf_config_is_refused(find, cluster, kind, index, message):
    with pytest.raises(ValueError, match=message):
        find(cluster, kind, index)


@pytest.mark.parametrize("text", ["{", "worker", "[1]", "3"])
def test_tf_config_that_is_not_a_json_object_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must"):
        find_cluster()


def test_workers_of_several_slurm_nodes_are_found(monkeypatch):
    values = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "n[01-03]",
        "SLURM_STEP_TASKS_PER_NODE": "2,1(x2)",
        "SLURM_PROCID": "2",
        "SLURM_JOB_ID": "70123",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    addresses = ("n01:20123", "n01:20124", "n02:20123", "n03:20123")
    assert find_cluster() == Cluster(addresses, 2)
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    with pytest.raises(ValueError, match="can't be read from Slurm's variables"):
        find_cluster()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert find_cluster() is None
