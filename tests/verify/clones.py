"""Two small clones whose distances can be worked out by hand.

The only layer passes red, green and blue on as three filters, so that an image's features are its mean colour; the
natural images are such that standardising changes nothing.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cnnviz.files import npz, write_bytes, write_json

OUTS = ("images", "models/small", "feature_maps/small", "maximize/small", "analysis/small", "report")
MAXIMUM = 8.0  # of the feature maps
RED, ORANGE, GREY = (200, 0, 0), (100, 100, 0), (90, 90, 90)


def make(folder: Path) -> None:
    """Write a clone: its outputs, and a dvc.lock that names them."""
    artifacts = folder / "artifacts"
    write_json(artifacts / "images" / "images.json", {"photos": {"sha256": "5" * 64, "count": 2}})
    _model(artifacts / "models" / "small")
    maps = np.zeros((2, 4, 4, 3), np.float32)
    maps[0, 1, 2, 0] = MAXIMUM
    photos = artifacts / "feature_maps" / "small" / "photos"
    store(photos / "colours.npz", activations=maps, images=np.arange(2), channels=np.array([0, 2, 1]))
    natural = np.array([[1, 1, 1], [-1, -1, -1]], np.float32)  # mean 0, deviation 1
    store(photos / "per_image.npz", **{f"colours/{kind}": natural for kind in ("peak", "feature", "drive", "place")})
    images = np.array([RED, ORANGE, GREY], np.uint8)[:, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    status, robust = np.array(["ok", "weak", "dead"]), np.array([2, 4, np.nan], np.float32)
    filters = np.arange(3, dtype=np.int32)
    store(artifacts / "maximize/small/colours.npz", filters=filters, images=images, status=status, robust_score=robust)
    write_json(artifacts / "maximize/small/settings.json", {"colours": {"precision": "float32", "steps": 8}})
    chances = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    names = np.array(["cat", "dog"])
    store(artifacts / "analysis/small/predictions.npz", class_names=names, **{"photos/probabilities": chances})
    write_bytes(artifacts / "report" / "index.html", b"<h1>Report</h1>")
    outs = [{"path": f"artifacts/{out}", "md5": f"{i:032x}.dir"} for i, out in enumerate(OUTS)]
    stage = {"cmd": "make", "params": {"params.yaml": {"maximize": {"steps": 8}}}, "outs": outs}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"all": stage}}))


def _model(folder: Path) -> None:
    import keras

    from cnnviz.networks import store as models

    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(3, 1, activation="relu", name="colours")(inputs))
    network.get_layer("colours").set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    plain = {"name": "raw", "scale": [1.0] * 3, "offset": [0.0] * 3, "reverse_channels": False}
    folder.mkdir(parents=True)
    models.save("small", models.Loaded(network, "Small", "file", "here", "none", "nothing", (8, 8, 3), plain), folder)


def store(path: Path, **arrays: np.ndarray) -> None:
    write_bytes(path, npz.pack(arrays))


def change(path: Path, **arrays: Any) -> None:
    """Put other arrays into an npz file; a function is given the old array."""
    kept = npz.read(path)
    store(path, **{**kept, **{name: new(kept[name].copy()) if callable(new) else new for name, new in arrays.items()}})


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to
