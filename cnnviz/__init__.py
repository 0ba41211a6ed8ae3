"""A reproducible microscope for convolutional networks.

`python -c "import cnnviz; help(cnnviz.maximize)"`; every name is loaded when it is asked for: TensorFlow takes seconds.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names are in __init__.pyi
