"""Which layers and filters are looked at, and what a wrong name costs."""

import pytest

from cnnviz.analysis import subjects
from cnnviz.errors import InputError

MODEL = {"name": "net", "conv_layers": [{"name": "a", "filters": 8}, {"name": "b", "filters": 3}]}


def test_all_layers_or_those_named_in_the_networks_order() -> None:
    assert subjects.layers(None, MODEL, "here") == ["a", "b"]
    assert subjects.layers(["b", "a"], MODEL, "here") == ["a", "b"]
    assert subjects.layers(["b"], MODEL, "here") == ["b"]
    with pytest.raises(InputError, match="here: net has no conv layer 'c'; valid: a, b"):
        subjects.layers(["c"], MODEL, "here")


def test_patches_of_rendered_filters_and_some_of_the_other_layers() -> None:
    assert subjects.pictured(["a", "b"], {"b": [2, 0]}, MODEL, "rendered") == {"a": [0, 2, 5, 7], "b": [2, 0]}
    assert subjects.pictured(["b"], {"b": [2]}, MODEL, "all") == {"b": [0, 1, 2]}
