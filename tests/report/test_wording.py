"""Sentences under numbers say what the numbers say."""

import pytest

from cnnviz.report import wording


def test_a_layers_sentences_count_its_own_filters() -> None:
    scores = [
        {"robust_score": -2.0, "against_nature": -0.5, "nature_percentile": 0.0, "selectivity_rank": 3},
        {"robust_score": 1500.0, "against_nature": 1.0, "nature_percentile": 95.0, "selectivity_rank": 1},
        {"robust_score": 8.0, "against_nature": 4.0, "nature_percentile": 100.0, "selectivity_rank": 1},
        {"robust_score": 3.0, "against_nature": None, "nature_percentile": 100.0, "selectivity_rank": None},
    ]
    assert wording.standing([{**one, "seed_stability": None, "spectrum_distance": 0.25} for one in scores]) == {
        "robust_score": "In this layer: -2 to 1,500, 1 of 4 below 0.",
        "against_nature": "In this layer 1 of 3 get there; the median is 1.00×.",
        "nature_percentile": "In this layer 2 of 4 are above all of them.",
        "selectivity_rank": "In this layer 2 of 3 come first.",
        "spectrum_distance": "In this layer the median is 0.25.",
    }


def test_what_could_not_be_measured_has_no_sentence() -> None:
    assert wording.standing([]) == wording.standing([{"robust_score": None, "against_nature": None}]) == {}
    silent = wording.standing([{"robust_score": 5.0, "against_nature": None, "nature_percentile": 0.0}])
    assert silent["robust_score"] == "In this layer: 5 to 5."
    assert silent["against_nature"] == "No natural image drives a rendered filter of this layer above 0."


@pytest.mark.parametrize(("images", "share"), [(1, 0.95), (40, 0.0722), (700, 0.00427), (10_000, 0.000300)])
def test_what_so_many_photos_may_lack(images: int, share: float) -> None:
    """(1 - share) ** images = 0.05: for many images 3 / images, the rule of three (Hanley, JAMA 249, 1983)."""
    assert wording.unseen(images) == pytest.approx(share, rel=2e-3)


def test_copies_of_a_photo_count_once() -> None:
    assert wording.photos(0) == ""
    assert wording.photos(40).startswith("40 natural images. What 7.2% of photos like these show is missing from 40 ")
    assert wording.photos(40, 40) == wording.photos(40)
    assert wording.photos(1200, 10).startswith("1,200 natural images of 10 different photos. What 26% of ")
    assert wording.photos(1).startswith("1 natural image. What 95% of ")
