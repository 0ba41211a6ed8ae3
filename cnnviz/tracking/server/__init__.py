"""A store elsewhere: its address, what it is asked without MLflow, and how long it may take."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
