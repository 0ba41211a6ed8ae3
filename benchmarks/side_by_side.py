"""Eight filters as each tool shows them with its own default recipe: `python -m benchmarks.side_by_side`.

Needs the two environments that `make bench` makes. Writes docs/images/side_by_side.jpg and, beside results.json, the
figures in the picture. Each filter is rendered alone, after a warm-up.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.processes import ROOT, Workers

FILTERS = (
    ("block1_conv2", 33),
    ("block2_conv2", 77),
    ("block3_conv1", 159),
    ("block3_conv3", 41),
    ("block4_conv1", 243),
    ("block4_conv3", 336),
    ("block5_conv1", 121),
    ("block5_conv3", 290),
)
TOOLS = {
    "keras-example": "Keras example",
    "tf-keras-vis": "tf-keras-vis 0.8.7",
    "xplique-512": "Xplique 2.0.2",
    "cnnviz": "cnnviz",
}
SIZE, TILE = 128, 192
GAP, CAPTION, HEAD, MARGIN = 14, 26, 58, 16
INK, GREY, PAPER, BEST = (30, 30, 30), (120, 120, 120), (255, 255, 255), (20, 110, 60)


def render(folder: Path, quick: bool) -> tuple[dict[str, list[np.ndarray]], dict[str, list[dict[str, float]]], Any]:
    images: dict[str, list[np.ndarray]] = {tool: [] for tool in TOOLS}
    figures: dict[str, list[dict[str, float]]] = {tool: [] for tool in TOOLS}
    with Workers(tuple(TOOLS), folder) as workers:
        steps = {tool: 8 if quick else workers[tool]("describe")["steps"] for tool in TOOLS}
        for layer, k in FILTERS:
            for tool in TOOLS:
                print(f"{layer} {k} {TOOLS[tool]}", flush=True)
                workers[tool].render(layer, [k], [1, 3], SIZE, own=True)
                done = workers[tool].render(layer, [k], [steps[tool]], SIZE, own=True)
                scores = workers["scorer"]("scores", layer=layer, filters=[k], images=done["images"], snapshot=0)
                with np.load(done["images"]) as arrays:
                    images[tool].append(arrays["images"][0, 0])
                figures[tool].append({"seconds": done["seconds"][0], "robust": scores["robust"][0]})
    return images, figures, steps


def number(value: float) -> str:
    """Three significant digits, at most one decimal."""
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def draw(
    images: dict[str, list[np.ndarray]], figures: dict[str, list[dict[str, float]]], steps: dict[str, int]
) -> Image.Image:
    """Two blocks of four filters beside each other, a column per tool; the best robust score of a filter in green."""
    tools, half = list(images), len(FILTERS) // 2
    block = len(tools) * (TILE + GAP) - GAP
    row = CAPTION + TILE + CAPTION
    picture = Image.new("RGB", (2 * MARGIN + 2 * block + 3 * GAP, 2 * MARGIN + HEAD + half * row - 8), PAPER)
    pen = ImageDraw.Draw(picture)
    big, middle, small = (ImageFont.load_default(size) for size in (21, 16, 15))
    for n, (layer, k) in enumerate(FILTERS):
        left, top = MARGIN + n // half * (block + 3 * GAP), MARGIN + HEAD + n % half * row
        pen.text((left, top + CAPTION - 5), f"{layer}, filter {k}", INK, middle, anchor="ls")
        best = max(tools, key=lambda tool: figures[tool][n]["robust"])
        for column, tool in enumerate(tools):
            x, found = left + column * (TILE + GAP), figures[tool][n]
            if n % half == 0:
                pen.text((x + TILE // 2, MARGIN + 18), TOOLS[tool], INK, big, anchor="ms")
                pen.text((x + TILE // 2, MARGIN + 40), f"{steps[tool]} steps", GREY, small, anchor="ms")
            tile = Image.fromarray(images[tool][n]).resize((TILE, TILE), Image.Resampling.LANCZOS)
            picture.paste(tile, (x, top + CAPTION))
            y = top + CAPTION + TILE + 17
            pen.text((x, y), f"{found['seconds']:.1f} s", GREY, small, anchor="ls")
            colour = BEST if tool == best else INK
            pen.text((x + TILE, y), f"robust score {number(found['robust'])}", colour, small, anchor="rs")
    return picture


def save(picture: Image.Image, path: Path, limit: int = 400_000) -> None:
    """Save as JPEG with the best quality that fits into `limit` bytes."""
    for quality in range(92, 40, -4):
        picture.save(path, quality=quality, subsampling=0 if quality > 80 else 2, optimize=True)
        if path.stat().st_size <= limit:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description="draw docs/images/side_by_side.jpg")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "side_by_side.jpg")
    parser.add_argument("--figures", type=Path, default=ROOT / "benchmarks" / "side_by_side.json")
    parser.add_argument("--quick", action="store_true", help="eight steps each, to see that it works")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, figures, steps = render(Path(folder), options.quick)
    save(draw(images, figures, steps), options.out)
    named = [f"{layer}/{k}" for layer, k in FILTERS]
    table = {tool: dict(zip(named, found, strict=True)) for tool, found in figures.items()}
    options.figures.write_text(json.dumps({"steps": steps, "filters": table}, indent=1) + "\n")


if __name__ == "__main__":
    main()
