"""In which parts a model's pictures are made, and by whom: this process, a share of it, the workers of a cluster."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
