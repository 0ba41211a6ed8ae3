"""Right images, altered step by step until a network names them wrong, and which filters changed their mind."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
