"""`make repro`: DVC between what has to be true before it and what follows it. Nothing imports this room."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
