"""Time and memory of every stage on many images of CIFAR's size, for `cifar10-cnn` and its untrained twin.

    python -m benchmarks.many_images 10000                    # after `make repro`
    python -m benchmarks.many_images 60000 --images FOLDER    # made from FOLDER/<class>/*

The pipeline itself, in a temporary clone of the committed state. The images are those given, each shifted, mirrored and
made brighter or darker by random amounts until there are enough: the stages do the same work as on new ones.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cnnviz.files.disk import ARTIFACTS
from cnnviz.images import sets

MODEL, TWIN = "cifar10-cnn", "cifar10-cnn-random"
STAGES = ("images", f"feature_maps@{MODEL}", f"maximize@{MODEL}", f"analyze@{MODEL}", f"analyze@{TWIN}", "compare")


def given(folder: Path | None) -> list[tuple[str, NDArray[np.uint8]]]:
    """(class, pixels) of the images to make others from: a folder's, or those of the default run."""
    if folder is None:
        one = sets.load_set(ARTIFACTS / "images" / "cifar10.npz")
        return [(str(one.class_names[label]), one.image(i)) for i, label in enumerate(one.labels)]
    files = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    return [(path.parent.name, np.asarray(Image.open(path).convert("RGB"))) for path in files]


def varied(image: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    shifted = np.roll(image, draw.integers(-4, 5, 2), axis=(0, 1))
    mirrored = shifted[:, ::-1] if draw.random() < 0.5 else shifted
    return np.clip(mirrored * draw.uniform(0.7, 1.3), 0, 255).astype(np.uint8)


def write(count: int, sources: list[tuple[str, NDArray[np.uint8]]], folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name in {name for name, _ in sources}:
        (folder / name).mkdir(parents=True)
    for i in tqdm(range(count), desc="making images", leave=False, disable=None):
        name, image = sources[i % len(sources)]
        Image.fromarray(varied(image, draw)).save(folder / name / f"{i:05d}.png", compress_level=1)


def changed(params: dict[str, Any], count: int) -> dict[str, Any]:
    """Params of the two networks on `count` images of a folder."""
    params["images"] = {"sets": {"cifar10": {"folder": "inputs/images/cifar10", "count": count}}}
    same = {"known": MODEL, "channels": 8}
    twin = {**same, "random_weights": 0, "layers": {"conv2d": 1}}
    params["models"] = {MODEL: {**same, "layers": params["models"][MODEL]["layers"]}, TWIN: twin}
    params["fixed_filters"]["borrowed"] = {"model": MODEL, "layer": "conv2d", "filters": [0]}
    return params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--images", type=Path)
    asked = parser.parse_args()
    sources = given(asked.images)
    if not sources:
        sys.exit(f"error: {asked.images}: no images; expected <class>/<file>, PNG or JPEG")
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "cnnviz"
        subprocess.run(["git", "clone", "-q", ".", clone], check=True)
        write(asked.count, sources, clone / "inputs" / "images" / "cifar10")
        params = changed(yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8")), asked.count)
        (clone / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run([sys.executable, "-m", "dvc", "repro", "-q", *STAGES], cwd=clone, env=env, check=True)
        for name in STAGES:
            timing = json.loads((clone / ".cache" / "timings" / f"{name}.json").read_text(encoding="utf-8"))
            print(f"{name:30} {timing['seconds']:7.1f} s {timing['peak_memory_mb']:7.0f} MB")


if __name__ == "__main__":
    main()
