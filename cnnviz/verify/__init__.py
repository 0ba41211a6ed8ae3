"""The outputs here against another clone's: `python -m cnnviz.verify [OTHER]`, docs/reproduce.md."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
