"""Remove the outputs of models that params.yaml no longer names: `python -m cnnviz.prune`, before `dvc repro`.

Stages that look at all models depend on the folders above them; what a removed model left there would get into
dvc.lock, and a fresh clone would write another one. Only what dvc.lock knows is removed: DVC's cache has it, and naming
the model again brings it back. Checks params.yaml first.
"""

import shutil
import sys
from pathlib import Path

import yaml

from cnnviz import params
from cnnviz.errors import InputError
from cnnviz.stage import ARTIFACTS

KINDS = ("models", "weights", "feature_maps", "maximize", "analysis")


def prune(keys: set[str], lock: Path = Path("dvc.lock")) -> list[Path]:
    """Remove `artifacts/<kind>/<key>` for keys not in `keys` that are outputs in dvc.lock; return what was removed."""
    text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
    stages = (yaml.safe_load(text) or {}).get("stages", {})
    known = {out["path"] for stage in stages.values() for out in stage.get("outs", [])}
    left = [
        folder
        for kind in KINDS
        for folder in sorted((ARTIFACTS / kind).glob("*"))
        if folder.name not in keys and folder.as_posix() in known
    ]
    for folder in left:
        shutil.rmtree(folder)
    return left


if __name__ == "__main__":
    try:
        removed = prune(set(params.load().models))
    except InputError as problem:
        sys.exit(f"error: {problem}")
    for name in sorted({folder.name for folder in removed}):
        print(f"removed the outputs of {name}, which params.yaml no longer names (DVC's cache keeps them)")
