"""A reproducible microscope for convolutional networks."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`cnnviz.maximize`, loaded when asked for: TensorFlow takes seconds."""
    if name == "maximize":
        from cnnviz.notebook import maximize

        return maximize
    raise AttributeError(f"module 'cnnviz' has no attribute {name!r}")
