"""Gradient ascent on images: every module here decides about pixels, so the render cache's key knows them all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
