"""Image sets: read from packages, Keras or folders; stored; scaled for a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
