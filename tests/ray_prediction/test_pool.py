"""The pool of workers, with a fake for Ray in this process."""

import pytest

ray = pytest.importorskip("ray")

from ray.exceptions import ActorDiedError, RayTaskError  # noqa: E402

from keras_fcn.ray_prediction import pool as pool_module  # noqa: E402
from keras_fcn.ray_prediction.messages import Ready, Row  # noqa: E402
from keras_fcn.ray_prediction.pool import Pool  # noqa: E402


class Cluster:
    """The functions of Ray that `Pool` uses; calls are executed by `get`."""

    def __init__(self, killers=(), deaths_at=(), ready=()):
        self.killers = set(killers)  # sources that kill their actor
        self.deaths_at = set(deaths_at)  # call numbers at which an actor dies
        self.ready = list(ready)  # results of `start`, in order
        self.num_calls = self.num_actors = 0
        self.predicted = []
        self.largest = 0

    def make_actor(self):
        self.num_actors += 1
        return Actor(self, self.num_actors)

    def wait(self, refs, num_returns=1, timeout=None):
        return refs[:1], refs[1:]

    def get(self, ref):
        actor, method, chunk = ref
        if not actor.is_alive:
            raise ActorDiedError()
        if method == "start":
            return self.ready.pop(0) if self.ready else READY
        self.num_calls += 1
        if self.num_calls in self.deaths_at or self.killers & {i.source for i in chunk}:
            actor.is_alive = False
            raise ActorDiedError()
        self.predicted += [image.source for image in chunk]
        self.largest = max(self.largest, len(chunk))
        return [Row(image.source) for image in chunk]

    def kill(self, actor):
        actor.is_alive = False


READY = Ready("host", "1", "abc", ("road",))


class Actor:
    def __init__(self, cluster, number):
        self.is_alive, self.number = True, number
        for name in ("start", "predict", "stop"):
            setattr(self, name, Method(self, name))


class Method:
    def __init__(self, actor, name):
        self.actor, self.name = actor, name

    def remote(self, chunk=()):
        return Ref((self.actor, self.name, chunk))


class Ref(tuple):
    __hash__ = object.__hash__
    __eq__ = object.__eq__


@pytest.fixture
def run(monkeypatch):
    def run(cluster, num_images, num_workers=2):
        monkeypatch.setattr(pool_module, "ray", cluster)
        pool = Pool(cluster.make_actor, num_workers)
        pool.first_ready()
        images = {f"{n}": f"/{n}.png" for n in range(num_images)}
        rows = [row for rows in pool.predict(images) for row in rows]
        pool.close()
        return rows

    return run


def sources(rows):
    return sorted(row.path for row in rows)


def expected_sources(count):
    return sorted(f"/{n}.png" for n in range(count))


def test_images_are_predicted_once_in_chunks_that_become_smaller(run):
    cluster = Cluster()
    rows = run(cluster, 1000)
    assert sources(rows) == expected_sources(1000) == sorted(cluster.predicted)
    assert cluster.largest == 32
    assert cluster.num_calls > 1000 / 32 + 4  # the last ones are smaller


def test_few_images_are_predicted_with_many_workers(run):
    assert len(run(Cluster(), 3, num_workers=8)) == 3


def test_image_that_kills_its_worker_is_the_only_error(run):
    cluster = Cluster(killers={"/300.png"})
    rows = run(cluster, 1000)
    assert sources(rows) == expected_sources(1000)
    (failed,) = [row for row in rows if row.error]
    assert failed.path == "/300.png" and "killed its worker 2 times" in failed.error
    # One of the chunk, and two of the image alone.
    assert cluster.num_actors == 2 + 3
    assert len(cluster.predicted) == len(set(cluster.predicted)) == 999


def test_images_of_lost_machines_are_predicted_by_other_workers(run):
    cluster = Cluster(deaths_at={3, 20, 21, 22})
    rows = run(cluster, 1000)
    assert sources(rows) == expected_sources(1000)
    assert not any(row.error for row in rows)


def test_two_images_that_kill_workers_are_both_reported(run):
    rows = run(Cluster(killers={"/10.png", "/11.png"}), 100, num_workers=1)
    assert {row.path for row in rows if row.error} == {"/10.png", "/11.png"}
    assert sources(rows) == expected_sources(100)


def test_errors_of_a_worker_are_raised(run, monkeypatch):
    cluster = Cluster()

    def get(ref):
        raise RayTaskError("predict", "trace", ValueError("`tile` is wrong"))

    cluster.get = get
    with pytest.raises(ValueError, match="`tile` is wrong"):
        run(cluster, 3)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Ready("second", "2", "abc", ()), "same keras-fcn: host has 1, second has 2"),
        (Ready("second", "1", "xyz", ()), "same network: host has abc, second has xyz"),
    ],
)
def test_workers_with_different_versions_or_networks_are_refused(run, other, message):
    with pytest.raises(ValueError, match=message):
        run(Cluster(ready=[READY, other]), 100)


def test_workers_that_cannot_start_end_the_prediction(run):
    cluster = Cluster()

    def get(ref):
        raise ActorDiedError()

    cluster.get = get
    with pytest.raises(ChildProcessError, match="die while they load.*`workers`"):
        run(cluster, 3)
    assert cluster.num_actors <= 2 + 2 * 3


def test_cluster_without_free_resources_is_logged_and_then_an_error(
    run, monkeypatch, caplog
):
    monkeypatch.setattr(pool_module, "_SECONDS_TO_LOG", -1)
    monkeypatch.setattr(pool_module, "_SECONDS_TO_START", 0.05)
    cluster = Cluster()
    cluster.wait = lambda refs, **_: ([], refs)
    cluster.available_resources = lambda: {"CPU": 0.0}
    cluster.cluster_resources = lambda: {"CPU": 8.0}
    with pytest.raises(TimeoutError, match="No worker.*0 of 8 CPUs are free"):
        run(cluster, 3)
