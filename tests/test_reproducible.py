"""Two clones, each from downloads to report, agree on every byte. (A file of its own: another worker runs it.)"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clone import Clone

pytestmark = pytest.mark.pipeline


def test_two_clones_write_the_same_lock(tmp_path_factory: pytest.TempPathFactory) -> None:
    clones = [Clone(tmp_path_factory.mktemp(name)) for name in ("one", "two")]
    for clone in clones:
        clone.change({
            "models": {"cifar10-cnn": {"known": "cifar10-cnn"}},
            "feature_maps": {"channels": {"cifar10-cnn": 2}},
            "fixed_filters": {"borrowed": {"model": "cifar10-cnn", "layer": "conv2d"}},
            "maximize": {"layers": {"cifar10-cnn": {"conv2d_1": 2}}},
        })  # fmt: skip
    with ThreadPoolExecutor(len(clones)) as pool:  # at the same time: a single stage keeps half a machine busy
        ended = list(pool.map(Clone.make, clones))
    assert [done.returncode for done in ended] == [0, 0], [done.stderr for done in ended]
    first, second = ((clone.folder / "dvc.lock").read_bytes() for clone in clones)
    assert first == second
