"""What judges see: pieces of pictures, colours and textures of patches."""

import numpy as np
import pytest

from cnnviz.judging import colours, scoring, tiles


@pytest.mark.parametrize(
    ("side", "field", "starts"),
    [
        ((64, 64), (64, 64), [(0, 0)]),
        ((64, 64), (100, 80), [(0, 0)]),
        ((64, 64), (10, 10), [(y, x) for y in (9, 27, 45) for x in (9, 27, 45)]),
        ((64, 128), (40, 300), [(6, 0), (18, 0)]),
    ],
)
def test_pieces_have_the_size_of_the_field(side: tuple[int, int], field: tuple[int, int], starts: list) -> None:
    y, x = np.mgrid[: side[0], : side[1]]
    picture = np.stack([y, x, 0 * x], -1).astype(np.uint8)
    found = tiles.pieces(picture, field)
    assert [tuple(one[0, 0, :2].tolist()) for one in found] == starts
    assert {one.shape[:2] for one in found} == {(min(side[0], field[0]), min(side[1], field[1]))}


@pytest.mark.parametrize("wavelength", [6, 12])
@pytest.mark.parametrize("orientation", range(4))
def test_a_grating_answers_in_its_own_band(wavelength: int, orientation: int) -> None:
    """Against the frequency and the direction that it was drawn with."""
    y, x = np.mgrid[:48, :48]
    angle = orientation * np.pi / 4
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength)
    patch = np.repeat(np.rint(127.5 + 100 * wave)[..., None], 3, -1).astype(np.uint8)
    means, energy = colours.embed([patch])
    luminance = energy.reshape(len(colours.SCALES), colours.ORIENTATIONS, 3)[..., 0]
    place = np.unravel_index(luminance.argmax(), luminance.shape)
    assert (colours.SCALES[place[0]], int(place[1])) == (wavelength, orientation)
    assert means[0, :3] == pytest.approx([0.5, 0, 0], abs=0.01)
    assert means[0, 3] == pytest.approx(100 / 255 / np.sqrt(2), rel=0.03)
    assert means[0, 4:] == pytest.approx(0, abs=1e-6)


def test_ranks_that_ask_follow_those_that_explain() -> None:
    assert scoring.ranks(100) == list(range(9, 18))
    assert scoring.ranks(700)[0] == 9
    assert scoring.ranks(700)[-1] == 34  # 5% of 700 are 35
