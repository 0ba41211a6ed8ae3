"""Plots and pictures of `compare`: heat maps, depth, matched filters, drift; PNG bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnnviz.analysis import examples, top_patches
from cnnviz.comparison.pairs import Match, Side
from cnnviz.pictures import montage, plots

PATCHES = 3  # shown of each filter
TILE = 64
DENSE = 30  # layers from which a line through all of them would only zigzag between kinds of layers


def heat_map(alike: NDArray, one: str, rows: list[str], other: str, columns: list[str]) -> bytes:
    """CKA of all layers, first layers at the top left; the best partner of each row is marked."""
    scale = 0.26 if max(alike.shape) <= 20 else 0.13
    width, height = (max(2.2, scale * n) + 2.4 for n in (len(columns), len(rows)))
    figure, axes = plots.panels(1, 1, width, height)
    shown = axes[0, 0].imshow(alike, vmin=0, vmax=1, cmap="magma", aspect="auto", interpolation="nearest")
    axes[0, 0].grid(False)
    plots.layer_ticks(axes[0, 0], columns, 26)
    plots.layer_ticks(axes[0, 0], rows, 26, "y")
    axes[0, 0].set_xlabel(f"layers of {other}")
    axes[0, 0].set_ylabel(f"layers of {one}")
    axes[0, 0].set_title(f"linear CKA: {one} and {other}" if one != other else f"linear CKA within {one}")
    if one != other:
        known = [i for i in range(len(rows)) if np.isfinite(alike[i]).any()]
        axes[0, 0].plot([int(np.nanargmax(alike[i])) for i in known], known, "o", ms=3.5, mfc="none", mec="#39d353")
    bar = figure.colorbar(shown, ax=axes[0, 0], shrink=0.8)
    bar.outline.set_visible(False)
    bar.set_label("0: nothing in common, 1: same up to rotation and scale", fontsize=7)
    return plots.png(figure)


_DEPTH = (
    ("receptive_field", "receptive field (pixels)"),
    ("maximized_frequency", "frequency of maximized images (cycles per pixel)"),
    ("patch_frequency", "frequency of preferred patches (cycles per pixel)"),
    ("lifetime_sparsity", "lifetime sparsity"),
    ("class_selectivity", "class selectivity above chance"),
    ("maximized_chroma", "colour share of maximized images"),
    ("patch_chroma", "colour share of preferred patches"),
    ("firing_rate", "firing rate"),
)


def depth(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    """Every measure over the relative depth, a line per model; of many layers the median of three neighbours."""
    figure, axes = plots.panels(2, 4, 4.2, 3.0, sharex=True)
    models = list(dict.fromkeys(row["model"] for row in rows))
    for one, (key, title) in zip(axes.flat, _DEPTH, strict=True):
        for i, model in enumerate(models):
            known = [(row["depth"], _value(row, key)) for row in rows if row["model"] == model]
            known = [(x, y) for x, y in known if y is not None]
            if known:
                x, y = (np.array(values) for values in zip(*known, strict=True))
                dense = len(x) > DENSE
                one.plot(x, y, plots.MARKERS[i % 8], ms=2.5 if dense else 4, color=plots.color(i), alpha=0.5)
                one.plot(x, _smooth(y) if dense else y, color=plots.color(i), lw=1.4, label=model)
        one.set_title(title)
        if key == "receptive_field":
            one.set_yscale("log", base=2)
            one.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
        elif key == "class_selectivity":
            one.axhline(0, color="#888888", lw=0.8)
        else:
            one.set_ylim(bottom=0)
    for one in axes[1]:
        one.set_xlabel("depth (0: first conv layer, 1: last)")
    axes[0, 0].legend(fontsize=8)
    return plots.both(figure)


def _smooth(values: NDArray) -> NDArray:
    padded = np.pad(values, 1, mode="edge")
    return np.median([padded[:-2], values, padded[2:]], axis=0)


def _value(row: dict[str, Any], key: str) -> float | None:
    if key != "class_selectivity" or row[key] is None:
        return row[key]
    return row[key] - row["class_selectivity_chance"]


def matched(found: list[Match], one: Side, other: Side, of: str) -> montage.Picture:
    """A row per pair: the filter's maximized image and strongest patches, a gap, those of its match.

    Without the column of maximized images on a side where none of these filters was rendered.
    """
    sides = ((one, [(m.layer, m.filter) for m in found]), (other, [(m.other_layer, m.other_filter) for m in found]))
    drawn = [any(k in side.rendered(layer) for layer, k in filters) for side, filters in sides]
    rows, labels = [], []
    for i, m in enumerate(found):
        row = [
            ([_maximized(side, *filters[i])] if show else []) + _patches(side, *filters[i])
            for (side, filters), show in zip(sides, drawn, strict=True)
        ]
        rows.append(np.stack([*row[0], _blank(), *row[1]]))
        labels.append(f"{m.layer} / {m.filter}   ~   {m.other_layer} / {m.other_filter}   (r = {m.correlation:.2f})")
    patches = [f"patch {i + 1}" for i in range(PATCHES)]
    columns = [(["maximized"] if show else []) + patches for show in drawn]
    grid = montage.label_grid(np.concatenate(rows), labels, [*columns[0], "", *columns[1]])
    return _titled(grid, f"{one.name} (left) and {other.name} (right): the best match of {of}")


def changed_filters(
    changed: dict[str, NDArray], most: list[int], least: list[int], before: Side, after: Side
) -> montage.Picture:
    """The most changed filters above, the least changed below: maximized image and patches before and after."""
    rows, labels = [], []
    for i in [*most, *least]:
        layer, k = str(changed["layer"][i]), int(changed["filter"][i])
        pictures = [_maximized(before, layer, k), _maximized(after, layer, k), _blank()]
        pictures += [*_patches(before, layer, k), _blank(), *_patches(after, layer, k)]
        rows.append(np.stack(pictures))
        kind = "most" if i in most else "least"
        r = changed["correlation"][i]
        alike = f"r = {r:.2f}" if np.isfinite(r) else "silent in one"
        numbers = f"(distance {changed['distance'][i]:.2f}, {alike})"
        labels.append(f"{kind} changed: {layer} / {k}   {numbers}")
    titles = ["before", "after", "", *(f"before {i + 1}" for i in range(PATCHES)), ""]
    titles += [f"after {i + 1}" for i in range(PATCHES)]
    grid = montage.label_grid(np.concatenate(rows), labels, titles)
    return _titled(grid, f"{before.name} (before) and {after.name} (after)")


def drift(changed: dict[str, NDArray], before: str, after: str) -> dict[str, bytes]:
    """Kernel distance and activation correlation of every filter, by layer."""
    layers = list(dict.fromkeys(changed["layer"].tolist()))
    figure, axes = plots.panels(1, 2, max(4.6, 0.12 * len(layers) + 2.5), 3.8)
    figure.suptitle(f"From {before} to {after}: every filter", x=0.01, ha="left", fontweight="bold")
    for one, key, title in zip(
        axes.flat,
        ("distance", "correlation"),
        ("kernel distance (share of its norm before)", "activation correlation of the same filter"),
        strict=True,
    ):
        for x, layer in enumerate(layers):
            values = changed[key][changed["layer"] == layer]
            values = np.sort(values[np.isfinite(values)])
            spread = 0.7 * (np.arange(len(values)) * 0.618034 % 1 - 0.5)
            one.scatter(x + spread, values, s=3, color=plots.color(0), alpha=0.35, lw=0)
            if len(values):
                one.plot([x - 0.4, x + 0.4], [np.median(values)] * 2, color="#222222", lw=1.5)
        one.set_title(title)
        plots.layer_ticks(one, layers)
    axes[0, 0].set_yscale("log")
    axes[0, 0].yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    return plots.both(figure)


def _titled(picture: montage.Picture, title: str) -> montage.Picture:
    above = Image.new("RGB", (picture.shape[1], 26), (255,) * 3)
    ImageDraw.Draw(above).text((6, 13), title, montage.INK, ImageFont.load_default(13), anchor="lm")
    return np.concatenate([np.asarray(above), picture])


def _blank() -> montage.Picture:
    return np.full((TILE, TILE, 3), 255, np.uint8)


def _maximized(side: Side, layer: str, k: int) -> montage.Picture:
    image = side.maximized(layer).get(k)
    if image is None:
        return montage.caption(np.full((1, TILE - 12, TILE, 3), 240, np.uint8), ["not rendered"], 9)[0]
    return examples.tile(image, TILE)


def _patches(side: Side, layer: str, k: int) -> list[montage.Picture]:
    found = [examples.tile(p, TILE) for p in top_patches(side.analysis.examples(layer), k, PATCHES, side.pixels)]
    return found + [_blank()] * (PATCHES - len(found))
