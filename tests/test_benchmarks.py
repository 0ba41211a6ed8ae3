"""The benchmark's own arithmetic: operations counted by hand, times between snapshots, tables between markers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import bench, figures, ours, processes, side_by_side
from benchmarks.card import profile, rows, same, tables
from cnnviz.maximization.ascent import parameterization, transforms
from cnnviz.networks import preprocess


def test_necessary_flops_by_hand() -> None:
    first = 4 * 3 * 3 * 3 * 8 * 10 * 10  # forward and gradient, a multiplication and an addition each
    last = 4 * 3 * 3 * 8 * 1 * 5 * 5  # one of 16 channels
    assert figures.necessary_flops([(3, 3, 3, 8, 10, 10), (3, 3, 8, 16, 5, 5)]) == first + last
    assert figures.necessary_flops([(3, 3, 3, 64, 2, 2)]) == 4 * 27 * 4


def test_convolutions_are_those_of_the_graph_up_to_the_layer() -> None:
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(inputs)
    x = layers.Conv2D(6, 5, padding="valid", name="b")(layers.MaxPooling2D(2)(x))
    model = keras.Model(inputs, layers.Conv2D(9, 1, name="c")(x))
    assert ours.convolutions(model, "b", 16) == [(3, 3, 3, 4, 16, 16), (5, 5, 4, 6, 4, 4)]


def test_time_to_a_score_lies_between_the_snapshots_around_it() -> None:
    seconds, scores = [1.0, 2.0, 4.0], [10.0, 20.0, 40.0]
    assert figures.time_to(30.0, seconds, scores) == pytest.approx(3.0)
    assert figures.time_to(20.0, seconds, scores) == pytest.approx(2.0)
    assert figures.time_to(5.0, seconds, scores) == 1.0
    assert figures.time_to(41.0, seconds, scores) is None
    assert figures.time_to(15.0, seconds, [10.0, 5.0, 25.0]) == pytest.approx(3.0)  # after a fall


def test_at_time_takes_the_last_snapshot_in_time() -> None:
    assert figures.at_time(2.5, [1.0, 2.0, 4.0]) == 1
    assert figures.at_time(3.9, [1.0, 2.0, 4.0]) == 2  # within the tolerance
    assert figures.at_time(0.5, [1.0, 2.0, 4.0]) is None


def test_table_goes_between_the_markers_and_only_there(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"above\n{figures.START}\nold\n{figures.END}\nbelow\n")
    for _ in range(2):  # writing it again changes nothing
        figures.write_between_markers(page, figures.table(["", "ms"], [["a", "1"], ["b", "2"]]))
        expected = "|  | ms |\n| --- | ---: |\n| a | 1 |\n| b | 2 |"
        assert page.read_text() == f"above\n{figures.START}\n{expected}\n{figures.END}\nbelow\n"
    with pytest.raises(ValueError, match="markers"):
        figures.insert("no markers", "x")


def test_the_docs_have_the_markers() -> None:
    figures.insert((processes.ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"), "x")


@pytest.mark.parametrize(
    ("layer", "special"), [("block2_conv2", 77), ("block3_conv1", 159), ("block4_conv1", 243), ("block5_conv1", 121)]
)
def test_filters_have_the_known_one_among_them(layer: str, special: int) -> None:
    assert special in bench.chosen(layer, 16)
    assert len(set(bench.chosen(layer, 16))) == 16
    assert len(bench.chosen(layer, 4)) == 4


def test_snapshots_end_with_the_last_step() -> None:
    assert bench.snapshots(32) == [4, 8, 16, 24, 32]
    assert bench.snapshots(2) == [1, 2]


@pytest.mark.pipeline
def test_robust_score_prefers_the_filters_own_pattern(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    convs = [{"name": "first", "receptive_field": [3, 3]}]
    network = (tiny(size=None), {"preprocessing": raw, "digest": "x", "input_shape": [32, 32, 3], "conv_layers": convs})
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    rendered = ours.render(network, "first", [1, 4], 40, 32, "float32", [1, 40])
    assert rendered["images"].shape == (2, 2, 32, 32, 3)
    assert rendered["seconds"][0] < rendered["seconds"][1]
    found = ours.robust(network, "first", [1, 4], rendered["images"][:, 1])
    assert (found > ours.robust(network, "first", [1, 4], noise)).all()


def test_side_by_side_picture_has_a_tile_for_each_tool_and_filter(tmp_path: Path) -> None:
    tools, n = list(side_by_side.TOOLS), len(side_by_side.FILTERS)
    images = {tool: [np.full((128, 128, 3), 40 * i, "uint8") for _ in range(n)] for i, tool in enumerate(tools)}
    figures_ = {tool: [{"seconds": 1.0, "robust": float(i)}] * n for i, tool in enumerate(tools)}
    picture = side_by_side.draw(images, figures_, dict.fromkeys(tools, 8))
    colours = np.asarray(picture).reshape(-1, 3)
    for i in range(len(tools)):
        assert (colours == 40 * i).all(1).sum() >= n * side_by_side.TILE**2
    side_by_side.save(picture, tmp_path / "x.jpg", 400_000)
    assert (tmp_path / "x.jpg").stat().st_size <= 400_000


# ---- benchmarks.gpu


@pytest.mark.parametrize(("name", "kind"), [
    ("sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64_cudnn", "convolution"),
    ("sm80_xmma_dgrad_implicit_gemm_indexed_tf32f32_tf32f32_f32_nhwckrsc_nhwc", "convolution"),
    ("void cudnn::ops::nchwToNhwcKernel<float, float, float, false, true>", "layout, copies"),
    ("MemcpyD2D", "layout, copies"),
    ("loop_convert_fusion_1", "layout, copies"),
    ("void tensorflow::functor::ShuffleInTensor3Simple<float, 0, 2, 1, false>", "layout, copies"),
    ("nvjet_hsh_128x256_64x4_2x1_v_bz_coopA_TNT", "matrix products"),
    ("ampere_sgemm_128x64_nn", "matrix products"),
    ("input_reduce_fusion", "reductions"),
    ("loop_multiply_fusion_3", "element by element"),
    ("MaxPoolForwardNHWC", "pooling"),
    ("gradient_tape/MaxPoolGrad:MaxPoolGrad", "pooling"),
    ("ImageProjectiveTransformV3:ImageProjectiveTransformV3", "random transform"),
    ("something_new", profile.OTHER),
])  # fmt: skip
def test_kernels_are_of_the_kind_that_their_name_says(name: str, kind: str) -> None:
    assert profile.kind(name) == kind


def test_shares_are_of_all_kernels() -> None:
    found = profile.shares({"sm90_xmma_fprop": 3.0, "loop_add_fusion": 1.0})
    assert found["convolution"] == 0.75
    assert sum(found.values()) == 1.0


def test_subjects_stand_elsewhere_in_every_company() -> None:
    filters = same.chosen(256, 16)
    lists = same.companies(filters, 256)
    subjects = filters[: same.SUBJECTS]
    assert [group[0] for group in lists["alone"]] == subjects
    assert lists["order"] == [filters[::-1]]
    (place,) = lists["place"]
    assert len(place) == len(filters) == len(set(place))
    assert set(place) & set(filters) == set(subjects)
    assert all(place.index(k) != filters.index(k) for k in subjects)


def test_a_rendering_is_held_against_another_part_by_part() -> None:
    one = {"images": np.zeros((1, 2, 2, 3), "uint8"), "robust": np.array([1.0], "f")}
    assert same.against(one, {**one}) == {"same": True, "pixels": 0, "unlike": []}
    other = {"images": one["images"] + np.uint8(7), "robust": np.array([np.nextafter(np.float32(1), 2)], "f")}
    assert same.against(one, other) == {"same": False, "pixels": 7, "unlike": ["images", "robust"]}


def test_a_step_is_what_more_steps_take_more() -> None:
    clock = iter([0.0, 1.5, 3.5])  # 10 steps in 1.5 s, 30 in 2 s: 20 in 0.5 s
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows.time, "perf_counter", lambda: next(clock))
        assert rows.milliseconds(lambda steps: None, (10, 30), 5, repeats=1) == [pytest.approx(0.5 / 20 / 5 * 1000)]


def test_tables_of_what_was_found_on_a_card() -> None:
    found = {
        "about": {"device": "gpu", "card": "NVIDIA H200", "commit": "abc", "quick": False, "seconds": 99.0},
        "parts": {
            "same": [
                {"device": "NVIDIA H200", "on": "gpu"},
                {"on": "gpu", "layer": "a", "precision": "tf32", "robust": 2.0, "of_float32": 0.9951},
                {"on": "gpu", "layer": "a", "precision": "tf32", "case": "twice", "same": True, "pixels": 0},
                {"on": "gpu", "layer": "a", "precision": "tf32", "case": "alone", "same": False, "pixels": 254,
                 "unlike": ["images"]},
                {"on": "gpu", "layer": "a", "precision": "tf32", "case": "place", "failed": "ValueError: no"},
            ],
            "speed": [
                {"tool": "cnnviz bfloat16", "layer": "block3_conv1", "images": 16, "ms": 0.05},
                {"tool": "torch eager, tf32", "layer": "block3_conv1", "images": 16, "ms": 0.2},
                {"tool": "torch compiled, tf32", "layer": "block3_conv1", "images": 16, "failed": "no time left"},
            ],
            "whole": [{"stage": "maximize", "model": "vgg16", "rendered_filters": 4224, "network_seconds": 100.0},
                      {"process": "stages", "seconds": 120.04}],
        },
    }  # fmt: skip
    said = tables.of(found)
    assert said.startswith("NVIDIA H200; commit abc; 99 s in all\n")
    assert "| gpu, tf32, a | same | 254 of 255 |  | failed |  |  | 0.9951 |" in said
    assert "| fastest of PyTorch by cnnviz's | 4.00 |" in said
    assert "| maximize vgg16 | 4224 | 120.0 | 100.0 |" in said
    assert "\nspeed torch compiled, tf32 block3_conv1 16: no time left" in said


def test_the_peer_in_pytorch_computes_what_cnnviz_computes() -> None:
    torch = pytest.importorskip("torch", reason="no PyTorch here")
    from benchmarks.card import peer

    size, rng = 32, np.random.default_rng(0)
    theirs = peer.Ascent(torch.nn.Identity(), size, True, "tf32", "cpu")
    fourier = parameterization.Fourier((size, size), contrast=1.5)
    coefficients = rng.normal(0, 1, (2, 3, size, size // 2 + 1, 2)).astype("float32")
    ours_ = coefficients.transpose(0, 1, 3, 4, 2)  # channel, x frequency, part, y frequency
    images = fourier.images(ours_).numpy()
    found = theirs.images(torch.tensor(coefficients)).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, images, atol=2e-5)
    matrices = transforms.draw(rng, 2, (size, size))
    moved = transforms.apply(images, matrices).numpy()
    given = torch.tensor(images.transpose(0, 3, 1, 2)), torch.tensor(matrices[:, :6])
    np.testing.assert_allclose(theirs.moved(*given).numpy().transpose(0, 2, 3, 1), moved, atol=2e-5)
    caffe = {"scale": [1.0] * 3, "offset": [-103.939, -116.779, -123.68], "reverse_channels": True}
    score = theirs.score(torch.tensor(coefficients), given[1], torch.tensor([0, 2])).numpy()
    expected = np.asarray(preprocess(moved * 255, caffe))[[0, 1], :, :, [0, 2]].mean((1, 2))
    np.testing.assert_allclose(score, expected, rtol=1e-3, atol=2e-2)
    drawn = peer.transforms(500, 40, size)
    also = np.stack([transforms.draw(np.random.default_rng(i), 500, (size, size))[:, :6] for i in range(40)], 1)
    np.testing.assert_allclose(drawn.mean((0, 1)), also.mean((0, 1)), atol=0.02)
    np.testing.assert_allclose(drawn.std((0, 1)), also.std((0, 1)), rtol=0.02)


@pytest.mark.pipeline
@pytest.mark.long
def test_the_script_for_a_card_runs_on_a_cpu(tmp_path: Path) -> None:
    """All of it, everything small: it is not to be first tried on the card."""
    command = [sys.executable, "-m", "benchmarks.gpu", tmp_path / "found.json", "--device", "cpu", "--quick"]
    done = subprocess.run([*command, "--minutes", "20"], cwd=processes.ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "found.json").read_text())["parts"]
    failed = [row for kept in parts.values() for row in kept if "failed" in row]
    assert all(row.get("tool") == "torch" for row in failed), failed
    cases = {row["case"]: row["same"] for row in parts["same"] if "case" in row and row["on"] == "cpu"}
    assert cases == dict.fromkeys(tables.CASES, True)
    assert "### Where the time goes" in done.stdout
