"""Two clones, one of them changed by a known amount: what verify says is what was changed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnnviz.files import machine, write_json
from cnnviz.verify import maps, pictures
from cnnviz.verify.wording import _alike, _up
from tests.verify import clones
from tests.verify.conftest import Verify

MAPS = "artifacts/feature_maps/small/photos/colours.npz"
FILTERS = "artifacts/maximize/small/colours.npz"
PREDICTIONS = "artifacts/analysis/small/predictions.npz"


def spot(value: float) -> object:
    """A change of one value of the feature maps."""

    def change(activations: np.ndarray) -> np.ndarray:
        activations[1, 3, 3, 1] += value
        return activations

    return change


def test_the_same_bytes(here: Path, there: Path, verify: Verify) -> None:
    status, lines = verify(there)
    assert status == 0
    assert lines[-1] == "reproduced: the same bytes (6 outputs)"
    assert lines[0] == f"here:  {machine.described()}"
    assert lines[1] == f"there: {there}: on an unknown processor"


def test_tensorflow_is_loaded_only_where_pictures_differ(here: Path, there: Path) -> None:
    clones.change(there / MAPS, activations=spot(1))
    code = "import sys; from cnnviz.verify.__main__ import main; main(); assert 'tensorflow' not in sys.modules"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code, str(there)], cwd=here, env=env, check=True, capture_output=True)


def test_feature_maps_by_hand(here: Path, there: Path, verify: Verify) -> None:
    clones.change(there / MAPS, activations=spot(-1 / 1024))
    status, lines = verify(there)
    assert status == 1
    # 1/1024 = 0.000977 of 8: 0.000122, both rounded up
    expected = "feature maps differ by at most 0.00098, 0.00013 of the layer's largest value (photos)"
    assert f"small colours: {expected}" in lines
    assert lines[-1] == (
        "reproduced within: feature maps 0.00013 of a layer's largest value (small colours), "
        "the same pictures of filters, no verdict changed, no prediction changed"
    )


def test_only_images_and_channels_of_both_sides_are_compared(here: Path, there: Path, verify: Verify) -> None:
    """Channels stand in the order of their activity, which may differ, too."""
    clones.change(there / MAPS, activations=lambda a: a[1:, ..., [2, 0]], channels=np.array([1, 0]), images=[1])
    status, lines = verify(there)
    assert status == 1
    assert "small: of colours only some images and channels are on both sides" in lines
    assert "the same feature maps" in lines[-1]


def test_what_is_no_number_on_one_side_only_is_infinitely_far() -> None:
    one, other = np.array([1, np.nan, np.inf], "f"), np.array([1, np.nan, np.inf], "f")
    assert maps.apart(one, other) == (0, 0)
    other[0] = np.nan
    assert maps.apart(one, other)[0] == np.inf
    assert maps.apart(np.zeros(2), np.zeros(2)) == (0, 0)


def test_pictures_by_hand(here: Path, there: Path, verify: Verify) -> None:
    """Red here and orange there: (200, 0, 0) and (100, 100, 0) are at 45 degrees; a brighter orange is the same."""

    def other(images: np.ndarray) -> np.ndarray:
        images[0], images[1] = clones.ORANGE, (150, 150, 0)
        return images

    clones.change(there / FILTERS, images=other, robust_score=np.array([1, 4, np.nan], np.float32))
    status, lines = verify(there)
    assert status == 1
    said = "pictures 0.8535 alike (median; worst 0.7071: 0)"  # of the two that differ: (0.7071 + 1) / 2, rounded down
    assert f"small colours: {said}; pixels differ by at most 100 of 255" in lines
    assert "small: robust scores differ by 25% (median), at most 50% (colours/0)" in lines
    assert lines[-1] == (
        "reproduced within: the same feature maps, pictures 0.8535 alike (median; worst 0.7071: small colours/0) "
        "and 1 the same, no verdict changed, no prediction changed"
    )


def test_pictures_on_another_canvas_are_compared_by_their_features(here: Path, there: Path, verify: Verify) -> None:
    clones.change(there / FILTERS, images=lambda images: images[:, :6, :6])
    clones.change_json(there / "artifacts/maximize/small/settings.json", colours={"precision": "bfloat16", "steps": 8})
    status, lines = verify(there)
    assert status == 1
    assert "small colours: pictures 1.0000 alike (median; worst 1.0000: 0); of other sizes" in lines
    assert "small: rendered with precision: float32 here, bfloat16 there (layers: 1)" in lines


def test_pictures_of_other_objectives(here: Path, there: Path, verify: Verify) -> None:
    for folder, value in ((here, 7), (there, 19)):
        clones.store(
            folder / "artifacts/maximize/small/objectives/cat.npz", images=np.full((1, 4, 4, 3), value, "uint8")
        )
    _, lines = verify(there)
    assert "small objectives/cat: pixels differ by at most 12 of 255" in lines


def test_a_picture_without_features_is_counted(here: Path, there: Path, verify: Verify) -> None:
    clones.change(there / FILTERS, images=lambda images: np.where(np.arange(3)[:, None, None, None] == 2, 0, images))
    _, lines = verify(there)
    assert "pictures: 1 can't be measured and 2 the same" in lines[-1]


def test_changed_verdicts_and_predictions_are_named(here: Path, there: Path, verify: Verify) -> None:
    clones.change(there / FILTERS, status=np.array(["ok", "ok", "dead"]))
    clones.change(there / PREDICTIONS, **{"photos/probabilities": np.array([[0.9, 0.1], [0.6, 0.4]], np.float32)})
    status, lines = verify(there)
    assert status == 1
    assert "small colours/1: weak here, ok there" in lines
    assert "small photos/1: dog here, cat there" in lines
    assert lines[-1].endswith("the same pictures of filters, 1 of 3 verdicts changed, 1 of 2 predictions changed")


def test_values_have_no_classes_that_could_change(here: Path, there: Path, verify: Verify) -> None:
    for side, value in ((here, 1), (there, 2)):
        arrays: dict[str, Any] = {"class_names": ["angle"], "photos/values": np.full((2, 1), value, "f4")}
        np.savez(side / PREDICTIONS, **arrays)
    status, lines = verify(there)
    assert status == 1  # other bytes
    assert "predictions" not in lines[-1]


def test_a_missing_layer_and_other_filters_are_said_and_the_rest_is_compared(
    here: Path, there: Path, verify: Verify
) -> None:
    (there / MAPS).rename((there / MAPS).with_name("other.npz"))
    part = {name: (lambda array: array[[2, 0]]) for name in ("filters", "images", "status", "robust_score")}
    clones.change(there / FILTERS, **part)
    status, lines = verify(there)
    assert status == 1
    assert "small: feature maps: only here: photos/colours.npz" in lines
    assert "small: feature maps: only there: photos/other.npz" in lines
    assert "small: of colours only some filters were rendered on both sides" in lines
    assert "the same pictures of filters, no verdict changed" in lines[-1]


def test_only_other_outputs_differ(here: Path, there: Path, verify: Verify) -> None:
    (there / "artifacts/report/index.html").write_text("<h1>Other</h1>")
    status, lines = verify(there)
    assert status == 1
    assert "other bytes: report" in lines
    rest = "the same feature maps, the same pictures of filters, no verdict changed, no prediction changed"
    assert lines[-1] == f"reproduced within: {rest}"


def test_outputs_on_one_side_only(here: Path, there: Path, verify: Verify) -> None:
    (there / "artifacts/report/index.html").unlink()
    status, lines = verify(there)
    assert status == 0
    assert "only here: report" in lines
    assert lines[-1] == "reproduced: the same bytes (5 outputs); 1 on one side only"


@pytest.mark.parametrize("key", ["digest", "preprocessing"])
def test_another_network_comes_first_and_is_not_compared(here: Path, there: Path, verify: Verify, key: str) -> None:
    clones.change_json(there / "artifacts/models/small/model.json", **{key: "another"})
    clones.change(there / MAPS, activations=spot(1))
    status, lines = verify(there)
    assert status == 1
    assert lines[0] == f"not the same: network small ({key}). The rest is compared."
    assert not any("differ by" in line for line in lines)
    assert lines[-1].startswith(f"not the same: network small ({key}); the rest ")


def test_other_images_come_first_and_are_not_compared(here: Path, there: Path, verify: Verify) -> None:
    clones.change_json(there / "artifacts/images/images.json", photos={"sha256": "6" * 64})
    clones.change(there / MAPS, activations=spot(1))
    clones.change(there / FILTERS, status=np.array(["ok", "ok", "dead"]))
    status, lines = verify(there)
    assert status == 1
    assert lines[0] == "not the same: images photos. The rest is compared."
    assert not any("feature maps" in line for line in lines[4:])
    assert "small colours/1: weak here, ok there" in lines


def test_its_folder_artifacts_will_do_and_its_processor_is_named(here: Path, there: Path, verify: Verify) -> None:
    timings = there / ".cache" / "timings"
    timings.mkdir(parents=True)
    (timings / "maximize@small.json").write_text('{"cpu": "AMD EPYC, 2 cores; AuthenticAMD family 25"}')
    (timings / "maximize@other.json").write_text("{")
    for given in (there, there / "artifacts"):
        status, lines = verify(given)
        assert status == 0
        assert lines[1] == f"there: {given}: AMD EPYC, 2 cores; AuthenticAMD family 25"


def test_what_a_card_made_is_held_against_what_a_processor_made(here: Path, there: Path, verify: Verify) -> None:
    card = "NVIDIA H200, compute capability 9.0, 140 GiB, cuDNN 9.19.0"
    cpu = "AMD EPYC, 2 cores; AuthenticAMD family 25"
    for folder, device in ((here, "CPU"), (there, card)):
        file = folder / ".cache" / "timings" / "maximize@small.json"
        write_json(file, {"cpu": cpu, "device": {"device": device}})
    clones.change_json(there / "artifacts/maximize/small/settings.json", colours={"precision": "bfloat16", "steps": 8})
    clones.change(there / FILTERS, images=lambda images: images + np.uint8(3))
    status, lines = verify(there)
    assert status == 1
    assert lines[:2] == [f"here:  {cpu}", f"there: {there}: {card}; {cpu}"]
    assert "small: rendered with precision: float32 here, bfloat16 there (layers: 1)" in lines
    assert any(line.endswith("pixels differ by at most 3 of 255") for line in lines)
    (there / ".cache" / "timings" / "maximize@small.json").write_text('{"device": ["\\u001b[31m"], "cpu": "AMD"}')
    assert verify(there)[1][1] == f"there: {there}: AMD"


def test_names_of_others_do_not_steer_the_terminal(here: Path, there: Path, verify: Verify) -> None:
    (there / MAPS).with_name("\x1b[31mred.npz").write_bytes((there / MAPS).read_bytes())
    _, lines = verify(there)
    assert "small: feature maps: only there: photos/?[31mred.npz" in lines


def test_numbers_are_rounded_away_from_praise() -> None:
    assert [_up(v) for v in (0.000101, 1.0, 0.0, np.inf)] == ["0.00011", "1", "0", "inf"]
    assert [_alike(v) for v in (0.99999, 1.0, 0.71239, -0.5)] == ["0.9999", "1.0000", "0.7123", "-0.5000"]


def test_changes_of_scores() -> None:
    here, there = np.array([2, 0, np.nan, 0, 4.0]), np.array([3, 0, np.nan, 1, np.nan])
    np.testing.assert_array_equal(pictures.changed(here, there), [0.5, 0, np.nan, np.inf, np.nan])
