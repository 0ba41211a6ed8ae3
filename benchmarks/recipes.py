"""A reference recipe against alternatives, by all scores: `python -m benchmarks.recipes` after `make repro`.

64 filters of VGG16 and 32 of MobileNetV2, evenly spaced in eight layers each. Writes the tables of docs/recipe.md and
docs/images/recipes.jpg. What is done is kept in .cache/benchmarks/recipes: an interrupted run goes on.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.figures import table, write_between_markers
from cnnviz.activations import nature
from cnnviz.config import params
from cnnviz.images import sets as images
from cnnviz.maximization import Wishes, canvas, rendering, surroundings
from cnnviz.maximization.ascent import settings as recipe
from cnnviz.maximization.chunks import Workshop
from cnnviz.networks import store
from cnnviz.sources import catalog

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".cache" / "benchmarks" / "recipes"
LAYERS = {
    "vgg16": ("block1_conv2", "block2_conv1", "block2_conv2", "block3_conv1", "block3_conv3", "block4_conv1",
              "block4_conv3", "block5_conv2"),
    "mobilenetv2-dogs": ("Conv1", "block_3_expand", "block_3_depthwise", "block_6_expand", "block_10_expand",
                         "block_10_project", "block_13_expand", "Conv_1"),
}  # fmt: skip
FILTERS = {"vgg16": 8, "mobilenetv2-dogs": 4}  # per layer
REFERENCE = "reference"
STABILITY = 16  # steps of the images of other seeds
COMMON = {"steps": 64, "snapshots": (STABILITY,), "learning_rate": 0.05, "colour": "decorrelated", "contrast": 0.0}
LARGEST = 96  # canvas
ALTERNATIVES: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "32 steps": {"steps": 32},
    "100 steps": {"steps": 100},
    "rate 0.1": {"learning_rate": 0.1},
    "RGB, rate 0.1": {"learning_rate": 0.1, "colour": "rgb"},
    "canvas 64 px": {"size": (64, 64)},
    "Adam, rate 0.05": {"optimizer": "adam"},
    "momentum, rate 0.05": {"optimizer": "momentum"},
    "momentum, rate 0.1": {"optimizer": "momentum", "learning_rate": 0.1},
    "decay 0.5": {"decay": 0.5},
    "decay 1.5": {"decay": 1.5},
    "RGB, not decorrelated": {"colour": "rgb"},
    "pixels": {"parameterization": "pixel"},
    "MaCo": {"parameterization": "maco"},
    "no transforms": {"jitter": 0.0, "scale": 0.0, "rotate": 0.0},
    "before the ReLU": {"objective": "pre_activation"},
    "float32": {"precision": "float32"},
}  # fmt: skip
SKIPPED = {"mobilenetv2-dogs": ("100 steps", "momentum, rate 0.1", "decay 1.5", "pixels", "float32")}  # to save time
Measures = dict[str, list[Any]]


def settings(model: str, layer: str, field: list[int] | None, size: int, changes: dict[str, Any]) -> recipe.Settings:
    """The settings of a layer with the changes of an alternative."""
    chosen = params.load()
    side = min(canvas.wanted(field, (size, size), chosen.maximize.max_size)[0], LARGEST)
    made = recipe.settings_for(chosen.maximize, chosen.random_seed, canvas.pair(field), (side, side))
    return dataclasses.replace(made, **{**COMMON, **changes})


def measure(model: str, changes: dict[str, Any]) -> tuple[Measures, np.ndarray]:
    """Render one alternative: measures by name, one entry per filter, and the images uint8 (n, 128, 128, 3)."""
    stored = ROOT / "artifacts" / "models" / model
    network, described = store.load(stored)
    shop = Workshop(network, described["preprocessing"], described["digest"], 3, described)
    sets = {name: images.load_set(ROOT / f"artifacts/images/{name}.npz") for name in params.load().images.sets}
    work = rendering.Rendering(model, shop.render, None, lambda done: None)
    found: Measures = {name: [] for name in (*rendering.SCORES, "status", "layer", "filter", "fine")}
    pictures = []
    size = described["input_shape"][0]
    convs = {conv["name"]: conv for conv in described["conv_layers"]}
    for layer in LAYERS[model]:
        conv = convs[layer]
        filters = [round((i + 0.5) * conv["filters"] / FILTERS[model]) for i in range(FILTERS[model])]
        used = settings(model, layer, conv["receptive_field"], size, changes)
        known = nature.read(ROOT / "artifacts" / "feature_maps" / model, layer, list(sets))
        around = surroundings.around(known, sets, (*used.size, 3))
        judged = work.judge(layer, filters, used, Wishes(stability_steps=STABILITY), around)
        for name in rendering.SCORES:
            found[name] += [float(value) for value in judged.measures[name]]
        found["status"] += judged.status.tolist()
        found["layer"] += [layer] * len(filters)
        found["filter"] += filters
        found["fine"] += [bool(conv["receptive_field"] and max(conv["receptive_field"]) <= recipe.FINE)] * len(filters)
        pictures += [np.asarray(Image.fromarray(one).resize((128, 128), Image.Resampling.NEAREST))
                     for one in judged.rendered.images]  # fmt: skip
    return found, np.stack(pictures)


def kept(model: str, name: str) -> tuple[Measures, np.ndarray]:
    """Return what was measured before, or measure it."""
    folder = KEPT / model
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace(" ", "_").replace(",", "")
    if not (folder / f"{stem}.json").exists():
        print(f"{model}: {name}", flush=True)
        found, pictures = measure(model, ALTERNATIVES[name])
        np.save(folder / f"{stem}.npy", pictures)
        (folder / f"{stem}.json").write_text(json.dumps(found))
    return json.loads((folder / f"{stem}.json").read_text()), np.load(folder / f"{stem}.npy")


def rows(model: str) -> list[list[str]]:
    base, _ = kept(model, REFERENCE)
    reference, fine = np.array(base["robust_score"]), np.array(base["fine"])
    lines = []
    for name in ALTERNATIVES:
        if name in SKIPPED.get(model, ()):
            continue
        found, pictures = kept(model, name)
        robust = np.array(found["robust_score"])
        ratio = robust / reference
        medians = {key: np.nanmedian(np.array(found[key], float)) for key in rendering.SCORES}
        first = float(np.mean(np.array(found["selectivity_rank"]) == 1))
        lines.append([
            name, f"{np.median(ratio):.3f}", f"{np.median(ratio[fine]):.3f}", f"{np.median(ratio[~fine]):.3f}",
            f"{np.mean(robust > reference):.0%}", f"{medians['against_nature']:.2f}",
            f"{medians['nature_percentile']:.0f}", f"{first:.0%}", f"{medians['seed_stability']:.3f}",
            f"{medians['spectrum_distance']:.2f}", f"{saturation(pictures):.2f}",
            str(sum(s != "ok" for s in found["status"])),
        ])  # fmt: skip
    return lines


def saturation(pictures: np.ndarray) -> float:
    """Median over the images of how far their pixels are from grey: 1 - min / max of red, green and blue."""
    most, least = pictures.max(-1).astype(float), pictures.min(-1)
    return float(np.median(np.mean((most - least) / np.maximum(most, 1), axis=(1, 2))))


def natural() -> float:
    known = images.load_set(ROOT / "artifacts/images/imagenet.npz")
    return saturation(np.round(images.resized(known, range(len(known.sizes)), (128, 128))).astype("uint8"))


HEADER = ["", "robust, relative", "early layers", "others", "better than it", "against nature", "percentile",
          "rank 1", "stability", "spectrum", "saturation", "weak or dead"]  # fmt: skip


def picture(model: str, every: int) -> Image.Image:
    """One row per alternative, one filter per layer."""
    tile, label = 128, 190
    names = list(ALTERNATIVES)
    font = ImageFont.load_default(15)
    sheet = Image.new("RGB", (label + len(LAYERS[model]) * (tile + 6), len(names) * (tile + 6)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, name in enumerate(names):
        _, pictures = kept(model, name)
        draw.text((6, y * (tile + 6) + 50), name, fill=(30, 30, 30), font=font)
        for x, i in enumerate(range(2, len(pictures), every)):
            sheet.paste(Image.fromarray(pictures[i]), (label + x * (tile + 6), y * (tile + 6)))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="score the default recipe and its alternatives")
    parser.add_argument("--dry", action="store_true", help="print the tables and write no file")
    options = parser.parse_args()
    parts = []
    for model in LAYERS:
        count = FILTERS[model] * len(LAYERS[model])
        title = catalog.MODELS[model].title
        parts.append(f"### {model}: {count} filters\n\n{title}\n\n{table(HEADER, rows(model))}")
    parts.append(f"Saturation of the ImageNet images: {natural():.2f}.")
    print("\n\n".join(parts))
    if not options.dry:
        write_between_markers(ROOT / "docs" / "recipe.md", "\n\n".join(parts))
        picture("vgg16", FILTERS["vgg16"]).save(ROOT / "docs" / "images" / "recipes.jpg", quality=88)


if __name__ == "__main__":
    main()
