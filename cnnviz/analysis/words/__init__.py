"""Predictions of a classifier and why it made them: classes, Grad-CAM, files, plots."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
