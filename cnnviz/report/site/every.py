"""Pages of the filters that have no whole one, by the ten thousand: light, from arrays of a whole layer at once, with
no file beside them but a sheet of kernels per layer. Patches are cut out of the stored photos by the browser.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cnnviz.report.data import Facts
from cnnviz.report.site import patches, pictures
from cnnviz.report.site.circuit import Strongest
from cnnviz.report.site.filters import Context, Site
from cnnviz.report.site.layers import Layer
from cnnviz.report.site.links import url
from cnnviz.report.site.tables import Table

EXAMPLES = {"top": 6, "bottom": 2}  # patches on a page
LINKS = 4  # channels of each sign, fewer where there are several layers to name
LONGEST = 2000  # characters of a command
SMOOTH = 40  # pixels of a patch below which its pixels are shown as squares
PLAIN = re.compile(r"[A-Za-z0-9_-]+")  # keys that `dvc exp run -S` takes as they are
RED, BLUE = np.array([178, 24, 43], np.float32), np.array([33, 102, 172], np.float32)
Crop = tuple[
    Markup, str, str, float, int
]  # style, address and title of the photo, activation, percent beyond the image


@dataclass(frozen=True)
class Side:
    """Connections of one kind to one layer. first: the place of its kernels in the sheet."""

    title: str
    to: Layer
    channels: NDArray[np.integer]  # (filters, count), -1 where there are no more
    first: int

    @property
    def folder(self) -> str:
        return url(self.to.name)


class Light:
    """What the light pages of a layer say. Writes the layer's sheet of kernels."""

    def __init__(self, site: Site, context: Context, table: Table, asked: Any) -> None:
        self.site, self.context, self.table, self.layer = site, context, table, context.layer
        self.crops = {kind: self._crops(kind, count) for kind, count in EXAMPLES.items()}
        self.sides, self.slots, self.kernels = self._sides()
        self.asked = command(self.layer, asked)
        squares = "" if smooth(self.layer) else " px"
        images = sum(len(site.photos.sets[name]) for name in self.layer.model.sets if name in site.photos.sets)
        self.common: Facts = {"squares": squares, "images": images, "seen": _sees(self.layer), "sheets": sheets}
        self.sets = [name for name in self.layer.model.sets if f"firing_rate/{name}" in table]

    def facts(self, k: int) -> Facts:
        """The page of filter k."""
        here = {name: column[k] for name, column in self.table.items()}
        found: Facts = {"k": k, "layer": self.layer, "numbers": here, "sets": self.sets}
        found |= {"crops": {kind: crops[k] for kind, crops in self.crops.items() if crops}, "slots": self.slots}
        found["sides"] = [(side, chips) for side in self.sides if (chips := self._chips(side, k))]
        found |= {"kernels": self.kernels, "asked": self.asked, "first": self._first(k)} | self.common
        found["strongest"] = patches.driving(self.context.examples, k)
        found |= {"status": self.layer.status.get(k, ""), "scores": self.layer.scores.get(k), "made": None}
        if k in self.layer.rendered:
            reason = str(self.context.maximized["reason"][self.layer.rendered[k]])
            found |= {"made": self.layer.made(k), "reason": reason}
        found["twins"] = self.site.twins.get((self.layer.model.key, self.layer.name, k), ())
        return found

    def _first(self, k: int) -> str:
        wiring, model = self.context.wiring, self.layer.model
        if wiring is None or model.sources.get(self.layer.name) or wiring.kernel.shape[2] != 3 or wiring.depthwise:
            return ""
        kernel = wiring.kernel[..., k]
        return pictures.colours(kernel[..., ::-1] if model.facts["preprocessing"]["reverse_channels"] else kernel)

    def _crops(self, kind: str, count: int) -> list[list[Crop]]:
        """Of every filter the patches, as parts of photos; none where a set is not there any more."""
        data, photos = self.context.examples, self.site.photos
        names = [str(name) for name in data.get("sets", ())]
        if not names or not set(names) <= set(photos.sets):
            return []
        which, images = data[f"{kind}_set"][:, :count], data[f"{kind}_image"][:, :count]
        styles, beyond = crops(data[f"{kind}_box"][:, :count], self.layer.model.facts["input_shape"][:2])
        found: list[list[Crop]] = []
        for sets, numbers, looks, activations, outside in zip(
            which.tolist(),
            images.tolist(),
            styles,
            data[f"{kind}_activation"][:, :count].tolist(),
            beyond.tolist(),
            strict=True,
        ):
            shown = [photos.photo(names[s], i) for s, i in zip(sets, numbers, strict=True)]
            found.append(
                [
                    (style, photo.src, photo.title, activation, part)
                    for style, photo, activation, part in zip(looks, shown, activations, outside, strict=True)
                ]
            )
        return found

    def _sides(self) -> tuple[list[Side], int, str]:
        """All connections, how many kernels a row of the sheet has, and its address."""
        model, name = self.layer.model, self.layer.name
        origins = model.sources.get(name, ())
        ends: list[tuple[tuple[str, str], tuple[str, ...], Any]] = []
        if self.context.wiring is not None and origins:
            ends.append((("Driven by", "Held back by"), origins, self.context.wiring.all_inputs))
        ends += [(("Drives", "Holds back"), (one,), wiring.all_outputs) for one, wiring in self.context.readers.items()]
        sides: list[Side] = []
        blocks: list[NDArray[np.uint8]] = []
        for titles, layers, ask in ends:
            several = len(layers) if titles[0] == "Driven by" else len(self.context.readers)
            found: Strongest = ask(max(1, LINKS // several))
            for sign, title in enumerate(titles):
                first = sum(block.shape[1] for block in blocks) + sign * found.channels.shape[2]
                sides += [Side(title, model.layers[one], found.channels[:, sign], first) for one in layers]
            blocks.append(diverging(found.kernels.reshape(len(found.channels), -1, *found.kernels.shape[-2:])))
        if not blocks:
            return sides, 0, ""
        path = f"{self.layer.folder}/kernels_of_links.png"
        self.site.files.later(path, lambda: pictures.png(_sheet(blocks)))
        return sides, sum(block.shape[1] for block in blocks), "kernels_of_links.png"

    def _chips(self, side: Side, k: int) -> list[tuple[int, int, str, str]]:
        """Number, place in the sheet of kernels, place in the sheet of pictures, which of both that is."""
        chips = []
        for i, channel in enumerate(side.channels[k].tolist()):
            if channel < 0:
                break
            rendered = side.to.sheet.place(channel) if side.to.sheet else None
            at = rendered or (side.to.patches.place(channel) if side.to.patches else None) or (0, 0)
            chips.append((channel, side.first + i, f"--x:{at[0]};--y:{at[1]}", "m" if rendered else ""))
        return chips


def crops(boxes: NDArray[np.integer], shape: Sequence[int]) -> tuple[list[list[Markup]], NDArray[np.integer]]:
    """Boxes `(n, m, 4)` (top, left, bottom, right) in an image of this height and width -> for each the style of a
    `.tile` that shows this part of the photo, and how many percent of the box are beyond the image.

    A side as long as the image's, or longer, is the image's.
    """
    spans, share = [], np.ones(boxes.shape[:2])
    for axis, length in enumerate(shape):
        start, end = boxes[..., axis].astype(np.int64), boxes[..., axis + 2].astype(np.int64)
        whole = end - start >= length
        low = np.where(whole, 0, np.clip(start, 0, length - 1))
        high = np.where(whole, length, np.clip(end, low + 1, length))
        share *= np.where(whole, 1, (high - low) / np.maximum(end - start, 1))
        spans.append((length / (high - low), low / (high - low), high - low))
    (r, y, high), (c, x, wide) = spans
    aspect = wide / high
    flat = zip(*(one.ravel().tolist() for one in (c, r, x, y, aspect)), strict=True)
    styles = [
        Markup(f"--c:{c:.5g};--r:{r:.5g};--x:{x:.5g};--y:{y:.5g}" + (f";aspect-ratio:{a:.3g}" if a != 1 else ""))  # noqa: S704
        for c, r, x, y, a in flat
    ]
    m = boxes.shape[1]
    rows = [styles[i : i + m] for i in range(0, len(styles), m)] if m else [[] for _ in boxes]
    return rows, np.rint(100 * (1 - share)).astype(int)


def diverging(kernels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Kernels `(n, m, kh, kw)` as pixels `(n, m, kh, kw, 3)`: red positive, blue negative, one scale for each of n."""
    largest = np.abs(kernels).max((1, 2, 3), keepdims=True, initial=0)
    value = (kernels / np.where(largest > 0, largest, 1))[..., None]
    return np.rint(255 + (np.where(value > 0, RED, BLUE) - 255) * np.abs(value)).astype(np.uint8)


def _sheet(blocks: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """A row per filter, all kernels side by side, each in the middle of a box as large as the largest."""
    high, wide = (max(block.shape[axis] for block in blocks) for axis in (2, 3))
    boxes = []
    for block in blocks:
        n, m, kh, kw, _ = block.shape
        box = np.full((n, m, high, wide, 3), 255, np.uint8)
        top, left = (high - kh) // 2, (wide - kw) // 2
        box[:, :, top : top + kh, left : left + kw] = block
        boxes.append(box)
    every = np.concatenate(boxes, axis=1)
    n, m = every.shape[:2]
    return every.transpose(0, 2, 1, 3, 4).reshape(n * high, m * wide, 3)


def command(layer: Layer, asked: Any) -> tuple[str, str]:
    """What stands before and after a filter's number in the command that renders it; empty where `dvc exp run -S` has
    no words for it, as for a name with a dot, or too many.

    asked: `layers` of the model in params.yaml. What is rendered now stays so.
    """
    model = layer.model
    rendered = {one.name: list(one.rendered) for one in model.ordered() if one.rendered or one is layer}
    if not all(PLAIN.fullmatch(name) for name in (model.key, layer.name)):
        return "", ""
    key, own = f"models.{model.key}.layers", "".join(f"{k}," for k in rendered.pop(layer.name))
    if isinstance(asked, Mapping):
        new = "" if layer.name in asked else "+"
        asks = f"dvc exp run -S '{new}{key}.{layer.name}=[{own}", "]'"
    elif all(PLAIN.fullmatch(name) for name in rendered):
        others = "".join(f"{name}:[{','.join(map(str, ks))}]," for name, ks in rendered.items())
        asks = f"dvc exp run -S '++{key}={{{others}{layer.name}:[{own}", "]}'"
    else:
        return "", ""
    return asks if len(asks[0]) <= LONGEST else ("", "")


def _sees(layer: Layer) -> str:
    if "receptive_field" not in layer.conv:
        return ""
    seen, size = layer.conv["receptive_field"], layer.model.facts["input_shape"]
    if not seen or (seen[0] >= size[0] and seen[1] >= size[1]):
        return ". It sees the whole image"
    return f". It sees {seen[0]} × {seen[1]} pixels"


def smooth(layer: Layer) -> bool:
    """Whether patches have enough pixels to be shown without squares."""
    seen = layer.conv.get("receptive_field")
    return not seen or min(seen) >= SMOOTH


def sheets(to: Layer, here: str) -> Markup:
    """The backgrounds of a list of links: the kernels of this layer's sheet, the pictures of that layer."""
    parts = [f"url({here})" if here else "none"]
    sizes = ""
    for sheet, columns, rows in ((to.patches, "--c", "--r"), (to.sheet, "--C", "--R")):
        parts.append(f"url(../{url(to.name, sheet.path.rsplit('/', 1)[1])})" if sheet else "none")
        sizes += f";{columns}:{sheet.columns};{rows}:{sheet.rows}" if sheet else ""
    return Markup(f"background-image:{','.join(parts)}{sizes}")  # noqa: S704 (quoted by url, else numbers)
