"""Activation maximization: what each filter looks for, by gradient ascent; scored against natural images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
