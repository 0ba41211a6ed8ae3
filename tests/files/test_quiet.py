"""TensorFlow's advice on our own graphs stays out of a notebook, all else of it passes."""

import logging

import pytest

from cnnviz.files import drop_retracing

ADVICE = "5 out of the last 5 calls to <bound method {}> triggered tf.function retracing. Tracing is expensive"


def test_only_advice_on_our_own_graphs_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "filters", [])
    drop_retracing()
    drop_retracing()
    assert len(logger.filters) == 1

    def passes(message: str) -> bool:
        return bool(logger.filter(logging.LogRecord("tensorflow", logging.WARNING, "", 0, message, (), None)))

    assert not passes(ADVICE.format("FeatureMaps._measure of <cnnviz.activations.maps.FeatureMaps object at 0x7>"))
    assert passes(ADVICE.format("Trainer.step of <mine.Trainer object at 0x7>"))
    assert passes("the user's own warning")
