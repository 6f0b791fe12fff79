"""Addresses of clusters, and cores per worker."""

import pytest

from keras_fcn.ray.cluster import Pool, connected, cores_of_worker


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
