"""Images of any number of channels as RGB."""

import numpy as np
import pytest

from cnnviz.pictures import shown


@pytest.mark.parametrize(
    ("channels", "rgb", "wanted"),
    [
        (1, None, [0, 0, 0]),
        (2, None, [0, 0, 0]),
        (3, None, [0, 1, 2]),
        (4, None, [0, 1, 2]),
        (12, None, [0, 1, 2]),
        (12, [3, 2, 1], [3, 2, 1]),
    ],
)
def test_which_channels_are_shown(channels: int, rgb: list[int] | None, wanted: list[int]) -> None:
    images = np.arange(2 * 3 * 4 * channels, dtype=np.uint8).reshape(2, 3, 4, channels)
    np.testing.assert_array_equal(shown(images, rgb), images[..., wanted])
    np.testing.assert_array_equal(shown(images[0], rgb), images[0][..., wanted])
