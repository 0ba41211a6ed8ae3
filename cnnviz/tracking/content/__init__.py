"""What runs hold, read from the files of docs/artifacts.md. Knows no MLflow."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
