"""The example that docs/epochs.md walks through: what it trains on is what it says, and it is watched."""

import re
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.networks import series
from examples import watch_training


def test_crops_are_turned_by_what_they_say() -> None:
    """A photograph that is bright above: where the bright side lies tells the turn."""
    photo = np.zeros((80, 80, 3), np.uint8)
    photo[:40] = 255
    images, turns = watch_training.crops([photo], 200, np.random.default_rng(0))
    assert images.shape == (200, 32, 32, 3)
    assert (images.min(), images.max()) == (-1, 1)
    half = 16
    sides = {0: np.s_[:half], 1: np.s_[:, :half], 2: np.s_[half:], 3: np.s_[:, half:]}
    for image, turn in zip(images, turns, strict=True):
        bright = {of: image[side].mean() for of, side in sides.items()}
        assert max(bright, key=lambda of: bright[of]) == turn
    assert set(turns) == {0, 1, 2, 3}


@pytest.mark.pipeline
def test_it_is_watched_and_shown(tmp_path: Path) -> None:
    """The whole of it in small: `python -m examples.watch_training` and the notebook do this for ten epochs."""
    found = watch_training.train(tmp_path / "run", epochs=1, count=192, steps=(1,))
    names = [one.path.stem for one in series.kept_in(tmp_path / "run", "here")]
    assert names == ["0-0", "0-1", "1-3"]
    assert 0 < found["watching"] < found["seconds"]
    assert found["bytes"] == sum(path.stat().st_size for path in (tmp_path / "run").glob("*-*.npz"))
    shown = cnnviz.life(tmp_path / "run", "first", [0, 3], preprocessing="tf", steps=4)
    assert shown.checkpoints == names
    assert len(re.findall("data:image/png", shown._repr_html_())) >= 2 * len(names)
    first, last = shown.images[:, 0].astype(int), shown.images[:, -1].astype(int)
    assert np.abs(first - last).mean((1, 2, 3)).min() > 1  # both filters moved
