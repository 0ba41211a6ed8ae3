"""cnnviz in a notebook: one function per question, each a thin door to what the stages use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
