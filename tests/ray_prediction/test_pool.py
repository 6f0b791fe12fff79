"""Workers that die: what becomes of their images. Ray is a stand-in in this process."""

import pytest

ray = pytest.importorskip("ray")

from ray.exceptions import ActorDiedError, RayTaskError  # noqa: E402

from keras_fcn.ray_prediction import pool as pool_module  # noqa: E402
from keras_fcn.ray_prediction.messages import Ready, Row  # noqa: E402
from keras_fcn.ray_prediction.pool import Pool  # noqa: E402


class Cluster:
    """What `Pool` needs of Ray: actors whose calls are answered when asked for."""

    def __init__(self, killers=(), deaths_at=(), ready=()):
        self.killers = set(killers)  # sources that end their actor
        self.deaths_at = set(deaths_at)  # numbers of calls at which a machine is lost
        self.ready = list(ready)  # what actors say, the first one first
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


def wanted(count):
    return sorted(f"/{n}.png" for n in range(count))


def test_each_image_is_predicted_once_in_chunks_that_end_small(run):
    cluster = Cluster()
    rows = run(cluster, 1000)
    assert sources(rows) == wanted(1000) == sorted(cluster.predicted)
    assert cluster.largest == 32
    assert cluster.num_calls > 1000 / 32 + 4  # the last ones are smaller


def test_few_images_are_shared_by_all_workers(run):
    assert len(run(Cluster(), 3, num_workers=8)) == 3


def test_an_image_that_ends_its_worker_costs_itself_alone(run):
    cluster = Cluster(killers={"/300.png"})
    rows = run(cluster, 1000)
    assert sources(rows) == wanted(1000)
    (failed,) = [row for row in rows if row.error]
    assert failed.path == "/300.png" and "ended its worker 2 times" in failed.error
    # One of the chunk, and two of the image alone.
    assert cluster.num_actors == 2 + 3
    assert len(cluster.predicted) == len(set(cluster.predicted)) == 999


def test_images_of_lost_machines_go_to_others(run):
    cluster = Cluster(deaths_at={3, 20, 21, 22})
    rows = run(cluster, 1000)
    assert sources(rows) == wanted(1000)
    assert not any(row.error for row in rows)


def test_two_images_that_end_workers_are_both_found(run):
    rows = run(Cluster(killers={"/10.png", "/11.png"}), 100, num_workers=1)
    assert {row.path for row in rows if row.error} == {"/10.png", "/11.png"}
    assert sources(rows) == wanted(100)


def test_what_a_worker_raises_is_raised_here(run, monkeypatch):
    cluster = Cluster()

    def get(ref):
        raise RayTaskError("predict", "trace", ValueError("`tile` is wrong"))

    cluster.get = get
    with pytest.raises(ValueError, match="`tile` is wrong"):
        run(cluster, 3)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Ready("second", "2", "abc", ()), "one on host has keras-fcn 1, .* second 2"),
        (Ready("second", "1", "xyz", ()), "one on host has a network abc, .* xyz"),
    ],
)
def test_workers_that_differ_are_refused(run, other, message):
    with pytest.raises(ValueError, match=message):
        run(Cluster(ready=[READY, other]), 100)


def test_workers_that_can_not_start_end_the_prediction(run):
    cluster = Cluster()

    def get(ref):
        raise ActorDiedError()

    cluster.get = get
    with pytest.raises(ChildProcessError, match="die while they load.*`workers`"):
        run(cluster, 3)
    assert cluster.num_actors <= 2 + 2 * 3


def test_a_cluster_without_room_is_told_and_given_up(run, monkeypatch, caplog):
    monkeypatch.setattr(pool_module, "_SECONDS_TO_TELL", -1)
    monkeypatch.setattr(pool_module, "_SECONDS_TO_START", 0.05)
    cluster = Cluster()
    cluster.wait = lambda refs, **_: ([], refs)
    cluster.available_resources = lambda: {"CPU": 0.0}
    cluster.cluster_resources = lambda: {"CPU": 8.0}
    with pytest.raises(TimeoutError, match="No worker.*0 of 8 CPUs are free"):
        run(cluster, 3)
