"""States of a project made by hand: one layer or more, whose scores and pictures are given."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cnnviz.files import npz, write_bytes, write_json

STEPS = (1, 10, 64)
SETS = {"photos": {"sha256": "5" * 64}}


def layer(path: Path, filters: list[int], size: int = 8, **given: Any) -> None:
    """Write `<layer>.npz`; given: scores by name, `status`, `grey` (of the last picture, one for each filter)."""
    n = len(filters)
    grey = np.array(given.get("grey", range(n)), np.uint8)
    snapshots = np.zeros((n, len(STEPS), size, size, 3), np.uint8)
    snapshots[:, 0], snapshots[:, 1], snapshots[:, 2] = 1, 2, grey[:, None, None, None]
    scores = np.array(given.get("score", [[1, 2, 3]] * n), np.float32)
    arrays = {
        "filters": np.array(filters, np.int32),
        "images": snapshots[:, -1],
        "snapshots": snapshots,
        "snapshot_steps": np.array(STEPS, np.int32),
        "snapshot_scores": scores,
        "status": np.array(given.get("status", ["ok"] * n)),
        "reason": np.array(given.get("reason", [""] * n)),
        "selectivity_rank": np.array(given.get("selectivity_rank", [1] * n), np.int32),
    }
    for name in ("robust_score", "against_nature", "nature_percentile", "seed_stability", "spectrum_distance"):
        arrays[name] = np.array(given.get(name, [1.0] * n), np.float32)
    write_bytes(path, npz.pack(arrays))


def model(folder: Path, name: str, layers: dict[str, dict[str, Any]], digest: str = "d", **settings: Any) -> None:
    """Write a model's outputs into `<folder>/artifacts`."""
    artifacts = folder / "artifacts"
    for key, given in layers.items():
        layer(artifacts / "maximize" / name / f"{key}.npz", **given)
    made = {"steps": 64, "objective": "post_activation", "size": 8, "seed": 0, **settings}
    write_json(artifacts / "maximize" / name / "settings.json", dict.fromkeys(layers, made))
    convs = [{"name": key, "filters": 100} for key in layers]
    write_json(artifacts / "models" / name / "model.json", {"digest": digest, "conv_layers": convs})
    write_json(artifacts / "images" / "images.json", SETS)


def lock(folder: Path, models: list[str], code: str = "1", **params: Any) -> None:
    """Write `<folder>/dvc.lock`, as if a stage had made the outputs of these models."""
    stages: dict[str, Any] = {}
    for name in models:
        for stage in ("models", "maximize"):
            out = {"path": f"artifacts/{stage}/{name}", "md5": f"{len(stages):032x}.dir"}
            deps = [{"path": f"cnnviz/{stage}", "md5": code}]
            values = {"params.yaml": {"random_seed": 0, "maximize": {"steps": 64, **params}}}
            stages[f"{stage}@{name}"] = {"cmd": "make", "deps": deps, "params": values, "outs": [out]}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    asked = {"random_seed": 0, "maximize": {"steps": 64, **params}, "models": {name: {} for name in models}}
    (folder / "params.yaml").write_text(yaml.safe_dump(asked))
