"""A network's training, checkpoint by checkpoint: how its filters came to be what they are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
