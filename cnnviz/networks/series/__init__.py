"""Series of checkpoints: which files, in which order, what each of them holds, and how a stored model keeps them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the door is __init__.pyi
