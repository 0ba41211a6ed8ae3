"""A filter whose values are no numbers, as after a training that diverged: pages say what is known of the others."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cnnviz.report import facts
from cnnviz.report.site import patches

NAN = float("nan")


def test_firing_rates_are_those_of_maps_that_are_numbers(tmp_path: Path) -> None:
    inline: Any = SimpleNamespace(file=lambda *_: None)
    params: Any = SimpleNamespace(images=SimpleNamespace(sets={"tones": None}))
    numbers = {"tones": {"conv": {"firing_rate": [0.25, None, 0.75], "never_active": [False, False, False]}}}
    (found,) = facts._maps(tmp_path, "m", "conv", params, inline, numbers)
    assert found["median"] == 0.5
    assert found["busiest"] == [(2, 0.75), (0, 0.25)]
    assert found["filters"] == 3


@pytest.mark.parametrize(("value", "seen"), [(0.5, ["tones/3"]), (NAN, []), (float("inf"), [])])
def test_no_image_drives_a_filter_whose_activation_is_no_number(value: float, seen: list[str]) -> None:
    stored = {"sets": np.array(["tones"]), "top_set": np.array([[0]]), "top_image": np.array([[3]])}
    assert patches.driving(stored | {"top_activation": np.array([[value]])}, 0) == seen
