"""Addresses of clusters, and cores per worker."""

import pytest

from keras_fcn.ray import cluster
from keras_fcn.ray.cluster import Pool, connected, cores_of_worker, worker_resources


class FakeRay:
    """The functions of Ray, for a cluster with the given machines."""

    def __init__(self, *machines, running=(), connected=False):
        self._nodes = [{"Alive": True, "Resources": each} for each in machines]
        self._nodes.append({"Alive": False, "Resources": {"CPU": 96.0, "GPU": 8.0}})
        self._running, self._connected = running, connected
        self.calls = []

    def nodes(self):
        return self._nodes

    def is_initialized(self):
        return self._connected

    def init(self, address, **options):
        self.calls.append(address)
        if address != "local" and address not in self._running:
            raise ConnectionError(f"Could not find any running Ray at {address}")

    def shutdown(self):
        self.calls.append("shutdown")


@pytest.mark.parametrize(
    ("cores", "num_workers", "wanted"),
    [
        ([2], 1, 2),
        ([2], 2, 1),
        ([16] * 64, 64, 16),
        ([16] * 64, 128, 8),
        ([16, 8], 3, 8),  # two workers on one machine, one on the other
        ([16, 8], 2, 8),
        ([5], 2, 2),
        ([2], 3, 0.66),
        ([], 2, 0),  # machines that have not joined yet
    ],
)
def test_cores_per_worker_let_all_workers_fit(cores, num_workers, wanted):
    assert cores_of_worker(cores, num_workers) == wanted


@pytest.mark.parametrize("address", ["", "head", "photographs/", "x.png", "http://a:1"])
def test_invalid_addresses_are_refused(address):
    with pytest.raises(ValueError, match="`ray` must be local"), connected(address):
        pass


def test_limits_of_a_pool_are_in_its_description():
    assert str(Pool(2, 2, 1.0, 0)) == "2, with 1 cores and 0 GPUs each"
    assert str(Pool(1, 8, 12, 0.5)) == "1 to 8, with 12 cores and 0.5 GPUs each"


CPUS, GPUS = {"CPU": 16.0}, {"CPU": 12.0, "GPU": 4.0}


@pytest.mark.parametrize(
    ("machines", "workers", "gpus", "wanted"),
    [
        ([CPUS, CPUS, {}], None, None, Pool(2, 2, 16, 0)),  # the head has no cores
        ([CPUS], 4, None, Pool(4, 4, 4, 0)),
        ([CPUS], (2, 8), None, Pool(2, 8, 8, 0)),
        ([GPUS, GPUS], None, None, Pool(8, 8, 3, 1)),
        ([GPUS], 2, None, Pool(2, 2, 6, 1)),  # one GPU at most
        ([GPUS], 12, None, Pool(12, 12, 1, 0.33)),
        ([GPUS], 12, 0.25, Pool(12, 12, 1, 0.25)),
        ([GPUS], 2, 0, Pool(2, 2, 6, 0)),
        ([{}], None, None, Pool(1, 1, 1, 0)),  # machines are started for the worker
    ],
)
def test_workers_share_the_machines(monkeypatch, machines, workers, gpus, wanted):
    monkeypatch.setattr(cluster, "ray", FakeRay(*machines))
    assert worker_resources(workers, gpus) == wanted


def test_gpus_of_a_cluster_without_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(cluster, "ray", FakeRay(CPUS))
    with pytest.raises(ValueError, match="`gpus_per_worker` 0.5: the cluster has no"):
        worker_resources(None, 0.5)


@pytest.mark.parametrize(
    ("environment", "running", "wanted"),
    [
        ("head:6379", ("head:6379", "auto"), ["head:6379"]),
        ("", ("auto",), ["auto"]),
        ("", (), ["auto", "local"]),
    ],
)
def test_automatic_address_is_that_of_the_environment_or_of_a_running_cluster(
    monkeypatch, environment, running, wanted
):
    ray = FakeRay(CPUS, running=running)
    monkeypatch.setattr(cluster, "ray", ray)
    monkeypatch.setattr(cluster, "_check_server", lambda address: None)
    monkeypatch.setenv("RAY_ADDRESS", environment)
    with connected("auto"):
        assert ray.calls == wanted
    assert ray.calls[-1] == "shutdown"


def test_cluster_of_the_environment_is_not_replaced_by_a_local_one(monkeypatch):
    ray = FakeRay(CPUS)
    monkeypatch.setattr(cluster, "ray", ray)
    monkeypatch.setattr(cluster, "_check_server", lambda address: None)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    with pytest.raises(ConnectionError, match="`ray` head:6379: no connection"):
        with connected("auto"):
            pass
    assert "local" not in ray.calls


def test_existing_connection_is_used_and_stays(monkeypatch):
    ray = FakeRay(CPUS, connected=True)
    monkeypatch.setattr(cluster, "ray", ray)
    with connected("head:6379"):
        pass
    assert ray.calls == []


def test_server_is_not_checked_with_certificates_that_only_ray_reads(monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_TIMEOUT", 0.1)
    with pytest.raises(ConnectionError, match="does not answer as a cluster"):
        cluster._check_server("127.0.0.1:9")
    monkeypatch.setenv("RAY_USE_TLS", "1")
    cluster._check_server("127.0.0.1:9")
