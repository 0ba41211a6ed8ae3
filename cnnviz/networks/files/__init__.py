"""Files of models: what they are, what has to be mended, and the one form that the rest of cnnviz knows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
