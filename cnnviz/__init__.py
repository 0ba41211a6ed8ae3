"""A reproducible microscope for convolutional networks."""

from typing import Any


def __getattr__(name: str) -> Any:
    """`cnnviz.maximize` and `cnnviz.borrow`, loaded when asked for: TensorFlow takes seconds."""
    if name == "maximize":
        from cnnviz.notebook import maximize

        return maximize
    if name == "borrow":
        from cnnviz.borrowing import borrow

        return borrow
    raise AttributeError(f"module 'cnnviz' has no attribute {name!r}")
