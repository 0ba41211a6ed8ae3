"""The same image every time where batches have one size: what a card does, on this CPU, and on a card where there is
one.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from cnnviz import objectives
from cnnviz.maximization import chunks
from cnnviz.maximization.ascent import repeating
from cnnviz.maximization.ascent.policy import Policy
from cnnviz.maximization.ascent.rendered import Rendered, join
from cnnviz.maximization.ascent.renderer import Renderer
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.maximization.chunks import Chunk
from cnnviz.objectives import Objective

pytestmark = pytest.mark.pipeline  # compiles and renders: longer than the unit tests may take

SHORT = Settings(steps=18, size=(32, 32), snapshots=(1, 10), contrast=0.5)
CARDS = tf.config.list_physical_devices("GPU")
POLICIES = [Policy(4, placed=False, compiled=True), Policy(4, placed=True, compiled=False)]


def channels(layer: str, *filters: int) -> list[Objective]:
    return [objectives.channel(layer, k) for k in filters]


def same(one: Rendered, other: Rendered) -> None:
    for name, array in one.items():
        np.testing.assert_array_equal(array, getattr(other, name), err_msg=name)


def the_same_however_it_is_asked_for(renderer: Renderer, wanted: list[Objective]) -> None:
    """Alone, in company, in any order, twice, by a renderer used before; images, curves, scores and features."""
    together = renderer.render(wanted)
    same(together, renderer.render(wanted))
    for i, one in enumerate(wanted):
        same(together.part(i, i + 1), renderer.render([one]))
    turned = renderer.render(wanted[::-1])
    same(together, join([turned.part(i, i + 1) for i in reversed(range(len(wanted)))]))
    same(together.part(1, 3), renderer.render(wanted[1:3]))
    assert together.finite.all()
    assert np.isfinite(together.robust).all()
    plain = renderer.render(wanted[1:2], measured=False, scored=False)
    np.testing.assert_array_equal(plain.snapshots, together.snapshots[1:2])


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"precision": "bfloat16", "size": (24, 33)},
        {"precision": "float16", "parameterization": "pixel", "optimizer": "adam"},
    ],
    ids=str,
)
def test_the_same_image_alone_in_company_in_any_order_and_twice(
    policy: Policy, change: dict[str, Any], tiny: Callable[..., Any], raw: dict[str, Any]
) -> None:
    settings, wanted = dataclasses.replace(SHORT, **change), channels("dilated", 0, 7, 3, 11, 5)
    the_same_however_it_is_asked_for(Renderer(tiny(None), raw, wanted[0], settings, "d", policy=policy), wanted)


@pytest.mark.parametrize("layer", ["first", "expand", "depthwise", "separable", "dilated"])
def test_it_climbs_as_on_a_cpu(layer: str, tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    wanted = channels(layer, 1, 2, 5)
    plain = Renderer(tiny(None), raw, wanted[0], SHORT, "d").render(wanted)
    for policy in POLICIES:
        renderer = Renderer(tiny(None), raw, wanted[0], SHORT, "d", policy=policy)
        fixed, where = renderer.render(wanted), str(policy)
        np.testing.assert_allclose(fixed.scores[:, 0], plain.scores[:, 0], rtol=1e-4, err_msg=where)
        np.testing.assert_allclose(fixed.scores[:, -1], plain.scores[:, -1], rtol=0.02, err_msg=where)
        np.testing.assert_allclose(fixed.robust, plain.robust, rtol=0.02, err_msg=where)
        near = 1e-2 * np.abs(plain.features).max()
        np.testing.assert_allclose(fixed.features, plain.features, rtol=0.05, atol=near, err_msg=where)
        np.testing.assert_allclose(renderer.score(plain.images, wanted), plain.robust, rtol=1e-4, err_msg=where)


@pytest.mark.long
@pytest.mark.parametrize(
    "text", ["neuron(dilated, 3)", "direction(dilated, {1: 1, 4: -0.5})", "layer(first)", "logit(2)",
             "channel(dilated, 2) - 0.5 * channel(first, 1)", "channel(first, 2) + 0.5 * diversity(first)"]
)  # fmt: skip
def test_any_objective_is_the_same_alone_and_climbs(text: str, tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    wanted = objectives.parse(text)
    settings = dataclasses.replace(SHORT, size=(24, 24), variants=2 if "diversity" in text else 1)
    renderer = Renderer(tiny(head="logit" in text), raw, wanted, settings, "d", policy=Policy(4, compiled=True))
    made = renderer.render([wanted], scored=False)
    same(made, renderer.render([wanted], scored=False))
    assert (made.snapshot_scores[:, -1] > made.snapshot_scores[:, 0]).all()
    assert len(made.images) == settings.variants
    pair = renderer.render([wanted, wanted], scored=False)
    same(made, pair.part(0, settings.variants))
    same(made, pair.part(settings.variants, 2 * settings.variants))


@pytest.mark.long
def test_bfloat16_climbs_as_high_as_float32(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    wanted, policy = channels("dilated", *range(8)), Policy(8, compiled=True)
    robust = {}
    for precision in ("float32", "bfloat16", "float16"):
        settings = dataclasses.replace(SHORT, precision=precision, steps=40)
        robust[precision] = Renderer(tiny(None), raw, wanted[0], settings, "d", policy=policy).render(wanted).robust
    for precision, near in (("bfloat16", 0.03), ("float16", 0.01)):  # of a network so small that each step counts
        assert (robust[precision] != robust["float32"]).any()
        assert np.median(robust[precision] / robust["float32"]) == pytest.approx(1, abs=near)


@pytest.mark.long
def test_what_float16_cant_hold_is_made_in_float32(raw: dict[str, Any]) -> None:
    """Of two filters one has weights beyond float16: its image is that of float32, the other's is not."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((None, None, 3))
    last = keras.layers.Conv2D(4, 3, name="last")
    model = keras.Model(inputs, last(keras.layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)))
    kernel, bias = last.get_weights()
    kernel[..., 0] *= 1e6
    last.set_weights([kernel, bias])
    wanted, policy = channels("last", 0, 1), Policy(2, compiled=True)
    settings = dataclasses.replace(SHORT, objective="pre_activation")
    half, exact = (
        Renderer(model, raw, wanted[0], dataclasses.replace(settings, precision=one), "d", policy=policy).render(wanted)
        for one in ("float16", "float32")
    )
    same(half.part(0, 1), exact.part(0, 1))
    assert half.finite.all()
    assert (half.scores[1] != exact.scores[1]).any()


def test_a_gradient_of_a_large_map_does_not_vanish_in_float16(raw: dict[str, Any]) -> None:
    """The mean over a map of 128 x 128 of small weights: unscaled, its gradient is below what float16 resolves."""
    inputs = keras.Input((None, None, 3))
    small = keras.initializers.RandomNormal(stddev=1e-3, seed=1)
    x = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=small)(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, kernel_initializer=small, name="last")(x))
    settings = Settings(steps=8, size=(128, 128), objective="pre_activation", precision="float16")
    (wanted,) = channels("last", 1)
    made = Renderer(model, raw, wanted, settings, "d", policy=Policy(1, compiled=True))
    got = made.render([wanted], scored=False)
    assert "exactly" not in vars(made)  # nothing had to be made again
    exact = Renderer(
        model, raw, wanted, dataclasses.replace(settings, precision="float32"), "d", policy=Policy(1, compiled=True)
    ).render([wanted], scored=False)
    np.testing.assert_allclose(got.scores[:, -1], exact.scores[:, -1], rtol=0.01)


@keras.saving.register_keras_serializable("tests")
class Turned(keras.layers.Layer):
    """A layer with an operation that XLA does not have."""

    def call(self, x: Any) -> Any:
        turn = tf.constant([[0.0, -1, 23, 1, 0, 0, 0, 0]])
        return tf.ensure_shape(
            tf.raw_ops.ImageProjectiveTransformV3(
                images=x, transforms=turn, output_shape=[24, 24], fill_value=0.0, interpolation="BILINEAR"
            ),
            x.shape,
        )


def test_a_network_that_xla_lacks_an_operation_of_runs_as_a_graph(raw: dict[str, Any]) -> None:
    keras.utils.set_random_seed(4)
    inputs = keras.Input((24, 24, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(6, 3, name="conv")(Turned()(inputs)))
    wanted = channels("conv", 0, 4, 2)
    settings = dataclasses.replace(SHORT, size=(24, 24), steps=4, objective="pre_activation")
    renderer = Renderer(model, raw, wanted[0], settings, "d", policy=Policy(4, compiled=True))
    the_same_however_it_is_asked_for(renderer, wanted)
    assert not renderer.advance.compiled
    assert renderer.show.compiled


def test_scores_are_the_same_in_any_company(
    tiny: Callable[..., Any], raw: dict[str, Any], rng: np.random.Generator
) -> None:
    wanted = channels("expand", 1, 5, 3, 7, 0)
    images = rng.integers(0, 256, (5, 32, 32, 3), "uint8")
    for policy in POLICIES:
        renderer = Renderer(tiny(None), raw, wanted[0], SHORT, "d", policy=policy)
        scores = renderer.score(images, wanted)
        for i in range(5):
            assert renderer.score(images[i : i + 1], wanted[i : i + 1])[0] == scores[i]
        np.testing.assert_array_equal(renderer.score(images[::-1], wanted[::-1])[::-1], scores)


def test_one_compilation_serves_recipes_of_other_lengths(tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
    shop = chunks.Workshop(tiny(None), raw, "d", 3, policy=Policy(2, compiled=True))
    wanted, other = tuple(channels("expand", 1, 2)), dataclasses.replace(SHORT, steps=5, snapshots=(2,), jitter=0.2)
    first = shop.render(Chunk("", wanted, SHORT))
    renderer = shop.renderer(wanted[0], SHORT)
    short = shop.render(Chunk("", wanted, other))
    assert shop.renderer(wanted[0], other) is renderer
    assert renderer.advance._fused.experimental_get_tracing_count() == 1
    same(first, shop.render(Chunk("", wanted, SHORT)))
    assert short.scores.shape == (2, 5)
    assert shop.size(wanted[0], SHORT, 1e-3) == 2  # whatever memory the process may take


def test_the_process_is_left_as_it_was() -> None:
    assert not config.is_op_determinism_enabled()
    rounds = tf.config.experimental.tensor_float_32_execution_enabled()
    for precision in ("float32", "tf32"):
        with repeating.repeatably(precision):
            assert config.is_op_determinism_enabled()
            assert tf.config.experimental.tensor_float_32_execution_enabled() == (precision == "tf32")
        assert not config.is_op_determinism_enabled()
        assert tf.config.experimental.tensor_float_32_execution_enabled() == rounds


@pytest.mark.skipif(not CARDS, reason="no GPU: the same bytes on a card")
class TestCard:
    """With the policy that this card gets."""

    @pytest.mark.parametrize("precision", ["float32", "tf32", "float16", "bfloat16"])
    def test_the_same_image_however_it_is_asked_for(
        self, precision: str, tiny: Callable[..., Any], raw: dict[str, Any]
    ) -> None:
        settings, wanted = dataclasses.replace(SHORT, precision=precision), channels("dilated", 0, 7, 3, 11, 5)
        renderer = Renderer(tiny(None), raw, wanted[0], settings, "d")
        assert renderer.policy.fixed
        the_same_however_it_is_asked_for(renderer, wanted)
        same(renderer.render(wanted), Renderer(tiny(None), raw, wanted[0], settings, "d").render(wanted))
        assert renderer.advance.compiled == renderer.policy.compiled

    def test_it_climbs_as_on_the_cpu(self, tiny: Callable[..., Any], raw: dict[str, Any]) -> None:
        wanted = channels("dilated", 1, 2, 5)
        card = Renderer(tiny(None), raw, wanted[0], SHORT, "d").render(wanted)
        with tf.device("CPU:0"):
            plain = Renderer(tiny(None), raw, wanted[0], SHORT, "d", policy=Policy()).render(wanted)
        np.testing.assert_allclose(card.robust, plain.robust, rtol=0.02)
