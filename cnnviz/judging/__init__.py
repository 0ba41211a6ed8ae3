"""Whether pictures and patches explain what a filter reacts to, told by two-alternative tasks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
