"""The stages of the small pipeline of tests.small_project: `python -m tests.small_stages <stage> [<model>]`."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cnnviz.files import machine
from cnnviz.files.disk import CACHE
from cnnviz.tracking.content import maximized

MODELS = {"one": ["conv", "in.ner"], "two": ["first", "second", "third"]}  # conv layers of each
FILTERS, TELLING, STEPS = 3, 2, 40  # TELLING: those that are not dead
STARTED = float(os.environ.get("SMALL_STARTED", 1_700_000_000.25))


def write_stage(stage: str, model: str = "") -> None:
    """Write one stage's outputs as docs/artifacts.md describes them, with numbers from params.yaml."""
    rng = np.random.default_rng(len(stage) + len(model))
    folder = Path("artifacts", stage, model)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    gain = float(yaml.safe_load(Path("params.yaml").read_text())["gain"])
    _WRITERS[stage](folder, rng, MODELS.get(model, []), gain)
    rendered = CACHE / "render" / f"{stage}-{model}-{gain:g}"
    rendered.parent.mkdir(parents=True, exist_ok=True)
    rendered.touch()
    times = {"started": STARTED, "ended": STARTED + 2, "seconds": 2.0, "network_seconds": 1.0, "cpu_seconds": 2.0}
    timing = Path(".cache/timings", f"{stage}@{model}.json" if model else f"{stage}.json")
    timing.parent.mkdir(parents=True, exist_ok=True)
    more = {"cpu": machine.described(), "packages": {"python": "3.11.1", "numpy": np.__version__}}
    timing.write_text(json.dumps({**times, "peak_memory_mb": 100.0, **more}))


def _png(path: Path, picture: np.ndarray | None = None) -> None:
    from cnnviz.pictures.montage import png_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(np.zeros((4, 4, 3), np.uint8) if picture is None else picture))


def _images(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    np.savez(folder / "photos.npz", images=rng.integers(0, 256, (2, 8, 8, 3), np.uint8))
    _png(folder / "photos" / "0_cat.png")
    about = {"source": "folder", "origin": "here", "license": "none", "sha256": "5" * 64, "count": 2}
    (folder / "images.json").write_text(json.dumps({"photos": about}))


def _models(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    convs = [{"name": name, "filters": FILTERS} for name in layers]
    known = {k: f"its {k}" for k in ("title", "origin", "license", "trained_on", "source", "digest", "fingerprint")}
    about = {**known, "input_shape": [8, 8, 3], "preprocessing": {"name": "raw"}, "parameters": 1000 * len(layers)}
    (folder / "model.json").write_text(json.dumps({**about, "conv_layers": convs}))
    (folder / "weights.weights.h5").write_bytes(b"weights")


def _weights(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    keys = ("l2", "near_zero_share", "nearest_cosine")
    (folder / "statistics.json").write_text(json.dumps({x: {k: [0.25] * FILTERS for k in keys} for x in layers}))
    (folder / "cpu.txt").write_text(os.environ.get("SMALL_CPU", "this one"))
    for layer in layers:
        np.savez(folder / f"{layer}.npz", kernel=rng.normal(size=(3, 3, 3, FILTERS)))
        _png(folder / f"{layer}.png")


def _feature_maps(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    (folder / "photos").mkdir()
    numbers = {"firing_rate": [0.0, 0.5, 1.0], "never_active": [True, False, False]}
    (folder / "photos" / "statistics.json").write_text(json.dumps(dict.fromkeys(layers, numbers)))
    _png(folder / "photos" / f"{layers[0]}.png")


def _maximize(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    metrics: dict[str, Any] = {}
    rows = []
    for i, layer in enumerate(layers):
        scores = gain * np.sqrt(np.arange(STEPS + 1)) * (1 + np.arange(FILTERS)[:, None]) + i
        images = rng.integers(0, 256, (FILTERS, 3, 16, 16, 3), np.uint8)
        seen = images[:, -1] if i else images[:, -1, ..., :1]  # the first layer's network sees one channel
        kept = {"filters": np.arange(FILTERS), "images": seen, "snapshots": images}
        kept |= {
            "scores": scores,
            "snapshot_steps": np.array([1, 10, STEPS]),
            "snapshot_scores": scores[:, [1, 10, -1]],
        }
        kept |= {"status": np.array(["ok", "weak", "dead"]), "reason": np.array(["", "weak", "dead"])}
        kept["robust_score"] = gain * np.array([1, -2, np.nan])
        np.savez(folder / f"{layer}.npz", **kept)
        _png(folder / layer / "0.png", np.full((16, 16, 3), 20 * int(gain), np.uint8))
        _png(folder / f"{layer}.png", np.concatenate(images[:, -1], axis=1))
        metrics[layer] = {str(k): _entry(float(scores[k, -1]), k) for k in range(FILTERS)}
        rows += [(layer, k, s, f"{scores[k, s]:.6g}") for k in range(FILTERS) for s in range(STEPS + 1)]
    head: dict[str, Any] = {f"{state}_filters": len(layers) for state in ("ok", "weak", "dead")}
    head |= {"rendered_filters": FILTERS * len(layers)}
    head |= {f"median_{key}": 1.5 for key in ("score_gain", *maximized.FILTER_SERIES)}
    objectives = {"logit-6": {"score": 2.0}}
    _png(folder / "objectives" / "logit-6.png")
    (folder / "metrics.json").write_text(json.dumps({**head, "layers": metrics, "objectives": objectives}))
    with (folder / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("layer", "filter", "step", "score"), *rows])
    with (folder / "filters.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["layer", "filter", "status", "reason", "score", *maximized.FILTER_SERIES])
        table.writeheader()
        table.writerows({"layer": x, "filter": k, **e} for x, entries in metrics.items() for k, e in entries.items())
    settings: dict[str, Any] = {layer: {"precision": "float32"} for layer in layers}
    settings["objectives"] = {"frog": {"precision": "float32"}}
    (folder / "settings.json").write_text(json.dumps(settings))


def _entry(score: float, k: int) -> dict[str, Any]:
    """Numbers of one filter: the last one is dead, so nothing of it could be measured."""
    status = ("ok", "weak", "dead")[k]
    measured = dict.fromkeys(maximized.FILTER_SERIES, None if status == "dead" else k + 0.5)
    return {"score": score, "status": status, "reason": f'It is "{status}", <b>really</b>', **measured}


def _report(folder: Path, rng: Any, layers: list[str], gain: float) -> None:
    for name in ("index", *MODELS):
        (folder / f"{name}.html").write_text(f"<h1>{name}</h1>")
    (folder / "metrics.json").write_text("{}")


_WRITERS = {
    "images": _images,
    "models": _models,
    "weights": _weights,
    "feature_maps": _feature_maps,
    "maximize": _maximize,
    "report": _report,
}


if __name__ == "__main__":
    write_stage(*sys.argv[1:])
