"""What has to be true before `dvc repro`: `python -m cnnviz.config` checks params.yaml, one line per mistake.

It also removes the outputs of models that params.yaml no longer names.
"""

import sys

from cnnviz.config.params import load
from cnnviz.config.prune import prune
from cnnviz.errors import InputError

try:
    removed = prune(set(load().models))
except InputError as problem:
    sys.exit(f"error: {problem}")
for name in sorted({folder.name for folder in removed}):
    print(f"removed the outputs of {name}, which params.yaml no longer names (DVC's cache keeps them)")
