"""Remove the outputs of models that params.yaml no longer names.

Stages that look at all models depend on the folders above them; what a removed model left there would get into
dvc.lock, and a fresh clone would write another one. Only what dvc.lock knows is removed: DVC's cache has it, and naming
the model again brings it back.
"""

import shutil
from pathlib import Path

from cnnviz.files import ARTIFACTS
from cnnviz.tracking import lockfile

KINDS = ("models", "weights", "feature_maps", "maximize", "analysis", "epochs", "judge")


def prune(keys: set[str], lock: Path = Path("dvc.lock")) -> list[Path]:
    """Remove `artifacts/<kind>/<key>` for keys not in `keys` that are outputs in dvc.lock; return what was removed.

    Raises InputError where dvc.lock cannot be read.
    """
    known = {out["path"] for stage in lockfile.stages(lock).values() for out in stage.get("outs", [])}
    left = [
        folder
        for kind in KINDS
        for folder in sorted((ARTIFACTS / kind).glob("*"))
        if folder.name not in keys and folder.as_posix() in known
    ]
    for folder in left:
        shutil.rmtree(folder)
    return left
