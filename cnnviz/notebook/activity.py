"""What the channels of a network do on some images: `cnnviz.feature_maps(model, images, "conv1")`."""

from dataclasses import dataclass, replace
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.activations import maps as activations
from cnnviz.errors import InputError, choices
from cnnviz.notebook import given, pixels
from cnnviz.notebook.display import MOST, Several, Shown, counted, rest
from cnnviz.notebook.tiles import Row, Tile, as_picture

IMAGES, CHANNELS = 4, 8  # of a layer that a picture shows: the first images, the most active channels


@dataclass(frozen=True, repr=False, eq=False)
class FeatureMaps(Several):
    """m images in one layer: maps float32 `(m, h, w, n)`, the layer's output as Keras computes it, of n filters.

    images: what the network saw before its preprocessing, float32 `(m, H, W, channels)` in 0..255; mean: float64
    `(n,)`, each unit's output (after its normalization and nonlinearity) averaged over images and positions.
    """

    layer: str
    filters: tuple[int, ...]
    maps: NDArray[np.float32]
    images: NDArray[np.float32]
    mean: NDArray[np.float64]

    def _take(self, rows: NDArray[np.intp]) -> Self:
        filters = tuple(self.filters[i] for i in rows)
        return replace(self, filters=filters, maps=self.maps[..., rows], mean=self.mean[rows])

    def _line(self) -> str:
        m, height, width, n = self.maps.shape
        return f"{counted(n, 'feature map')} of {self.layer} on {counted(m, 'image')}, {height} x {width}"

    def _note(self) -> str:
        channels = f"the {CHANNELS} most active of {len(self)} channels" if len(self) > CHANNELS else ""
        return "; ".join(filter(None, [channels, rest(IMAGES, len(self.maps), "image", ".maps has all")]))

    def picture(self) -> Image.Image:
        return Image.fromarray(self._drawn())

    def _drawn(self) -> NDArray[np.uint8]:
        few = len(self) <= CHANNELS  # in the order that they were asked for; of many, the most active ones first
        order = np.arange(len(self)) if few else np.argsort(-self.mean, kind="stable")[:CHANNELS]
        seen = np.stack([as_picture(np.rint(image).astype(np.uint8)) for image in self.images[:IMAGES]])
        numbers = [self.filters[i] for i in order]
        return activations.picture(seen, range(len(seen)), self.maps[:IMAGES][..., order], numbers)

    def _rows(self, most: int = MOST) -> list[Row]:
        return [Row("", [Tile(self._drawn(), self._stem())], width=0)] if len(self) else []

    def _stem(self) -> str:
        return f"{self.layer}_maps"

    def _arrays(self) -> dict[str, NDArray]:
        filters = np.array(self.filters, np.int32)
        return {"filters": filters, "maps": self.maps, "images": self.images, "mean": self.mean}


class Layers(Shown, dict[str, FeatureMaps]):
    """The feature maps of every conv layer by its name, in the network's order."""

    def __missing__(self, name: object) -> FeatureMaps:
        there = choices(name, self) if isinstance(name, str) else f"expected a layer's name: {', '.join(self)}"
        raise InputError(f"no conv layer {name!r}; {there}")

    def _line(self) -> str:
        images = len(next(iter(self.values())).images)
        return f"feature maps of {counted(len(self), 'layer')} on {counted(images, 'image')}"

    def _note(self) -> str:
        first, largest = next(iter(self.values())), max(map(len, self.values()))
        channels = f"of each layer the {CHANNELS} most active channels" if largest > CHANNELS else ""
        return "; ".join(filter(None, [channels, rest(IMAGES, len(first.maps), "image", ".maps has all")]))

    def _rows(self, most: int = MOST) -> list[Row]:
        return [Row(one._line(), row.tiles, row.width) for one in self.values() for row in one._rows()]

    def _stem(self) -> str:
        return "feature_maps"

    def _arrays(self) -> dict[str, NDArray]:
        return {f"{name}/{key}": array for name, one in self.items() for key, array in one._arrays().items()}


@overload
def feature_maps(
    model: given.Model,
    images: Any,
    layer: None = None,
    *,
    preprocessing: given.Preprocessing | None = None,
    size: int | None = None,
) -> Layers: ...


@overload
def feature_maps(
    model: given.Model,
    images: Any,
    layer: str,
    *,
    preprocessing: given.Preprocessing | None = None,
    size: int | None = None,
) -> FeatureMaps: ...


def feature_maps(
    model: given.Model,
    images: Any,
    layer: str | None = None,
    *,
    preprocessing: given.Preprocessing | None = None,
    size: int | None = None,
) -> FeatureMaps | Layers:
    """The feature maps of a layer, or of every conv layer: `feature_maps(model, images)["conv1"]`.

    model: a Keras model, a .keras or .h5 file, or the name of a model in artifacts/models. images: an array `(m, h, w,
    channels)`, or one `(h, w, channels)`, uint8 or float in 0..255, or a list of images or PNG and JPEG files; scaled
    to the network's input, or to `size` pixels a side. layer: a conv layer, or another whose output is `(m, h, w,
    channels)`. preprocessing: as `maximize` takes it. All maps are kept in memory. Raises InputError.
    """
    of = given.subject(model)
    name = None if layer is None else given.layer(layer)
    spec = given.preprocessing(preprocessing, of)
    seen = pixels.images(images, of, size)
    network = activations.FeatureMaps(of.network, {"input_shape": seen.shape[1:], "preprocessing": spec}, name)
    found = network.statistics(lambda indices: seen[list(indices)], len(seen), lambda done: None)
    every = {key: list(range(conv.filters)) for key, conv in network.convs.items()}
    maps = network.maps(lambda indices: seen[list(indices)], range(len(seen)), every)
    layers = {
        key: FeatureMaps(key, tuple(every[key]), maps[key], seen, found[key].total / found[key].positions)
        for key in every
    }
    return Layers(layers) if name is None else layers[name]
