"""A map over an image."""

import numpy as np

from cnnviz.pictures import heat


def test_maps_over_an_image_are_drawn_as_the_analysis_draws_them() -> None:
    """Against matplotlib's inferno."""
    import matplotlib as mpl

    draw = np.random.default_rng(0)
    image = draw.integers(0, 255, (16, 16, 3), np.uint8)
    values = draw.uniform(-0.2, 1, (16, 16))
    share = np.clip(values / values.max(), 0, 1)
    alpha = (0.25 + 0.6 * share)[..., None]
    expected = image * (1 - alpha) + 255 * mpl.colormaps["inferno"](share)[..., :3] * alpha
    assert np.abs(heat.over(image, values) - expected).max() < 15  # straight lines between nine of its colours
    assert (heat.over(image, np.zeros((16, 16))) == image).all()
