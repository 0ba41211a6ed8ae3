"""Two states side by side: `python -m cnnviz.versus A B`, docs/versus.md."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
