"""What the filters of a network do on images: statistics, examples, redundancy, predictions explained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
