"""The weights of a layer's filters: `cnnviz.kernels(model, "conv1")`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.filters import draw, first_inputs, kernel_of
from cnnviz.notebook import given
from cnnviz.notebook.display import MOST, Several, counted, rest
from cnnviz.notebook.tiles import Row, Tile

ROWS, COLUMNS = 16, 16  # filters and input channels of each that a picture shows, where they aren't colours


@dataclass(frozen=True, repr=False, eq=False)
class Kernels(Several):
    """n filters: kernel float32 `(kh, kw, in, n)`, bias float32 `(n,)`, 0 where the layer has none.

    As Keras has them, `kernel[..., i]` being the filter `filters[i]`. A separable layer's two kernels are joined to the
    one that does the same; a depthwise filter reads one channel: in is 1. reverse_channels: the network sees BGR;
    first: the first input channel of each filter, where filters are shared out among groups of channels.
    """

    layer: str
    filters: tuple[int, ...]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    depthwise: bool
    sees_image: bool
    reverse_channels: bool
    first: Sequence[int] = ()

    def _take(self, rows: NDArray[np.intp]) -> Self:
        filters = tuple(self.filters[i] for i in rows)
        first = [self.first[i] for i in rows] if self.first else ()
        return replace(self, filters=filters, kernel=self.kernel[..., rows], bias=self.bias[rows], first=first)

    @property
    def _coloured(self) -> bool:
        return self.sees_image and not self.depthwise and self.kernel.shape[2] == 3

    def _line(self) -> str:
        kh, kw, channels, n = self.kernel.shape
        return f"{counted(n, 'kernel')} of {self.layer}, {kh} x {kw}, reading {counted(channels, 'channel')} each"

    def _note(self) -> str:
        if self._coloured:
            reads = "; the network reads BGR" if self.reverse_channels else ""
            return f"in colours, each filter from its lowest weight to its highest{reads}"
        most = ROWS * COLUMNS if self.depthwise else ROWS
        shown = rest(most, len(self), "filter", f"[{most}:] has the others")
        reads = self.kernel.shape[2]
        strongest = f"of each the {COLUMNS} strongest of {reads} input channels" if reads > COLUMNS else ""
        scale = "red positive, blue negative, white 0, one scale per filter"
        return "; ".join(filter(None, [scale, shown, strongest]))

    def picture(self) -> Image.Image:
        return Image.fromarray(self._drawn())

    def _drawn(self) -> NDArray[np.uint8]:
        return draw(
            self.kernel,
            self.depthwise,
            self.sees_image,
            self.reverse_channels,
            ROWS,
            COLUMNS,
            list(self.filters),
            self.first,
        )

    def _rows(self, most: int = MOST) -> list[Row]:
        return [Row("", [Tile(self._drawn(), self._stem())], width=0)] if len(self) else []

    def _stem(self) -> str:
        return f"{self.layer}_kernels"

    def _arrays(self) -> dict[str, NDArray]:
        return {"filters": np.array(self.filters, np.int32), "kernel": self.kernel, "bias": self.bias}


def kernels(model: given.Model, layer: str, *, preprocessing: given.Preprocessing | None = None) -> Kernels:
    """The kernels and biases of a conv layer, and their picture: RGB where the layer sees the image, else signed.

    model: a Keras model, a .keras or .h5 file, or the name of a model in artifacts/models. preprocessing: only for a
    first layer of a network that sees BGR, "caffe", so that red is drawn red. Raises InputError for a layer that isn't
    there or is no convolution.
    """
    of = given.subject(model)
    name = given.layer(layer)
    traced = of.trace(until=name)
    conv = given.conv(traced, name)
    spec = given.preprocessing(preprocessing, of) if preprocessing is not None or of.stored else None
    kernel = kernel_of(conv.layer)
    depthwise = isinstance(conv.layer, keras.layers.DepthwiseConv2D)
    if depthwise:
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    bias = conv.layer.bias.numpy() if conv.layer.use_bias else np.zeros(conv.filters, np.float32)
    return Kernels(
        name,
        tuple(range(conv.filters)),
        kernel,
        bias,
        depthwise,
        sees_image=conv.input is traced.input,
        reverse_channels=isinstance(spec, dict) and bool(spec["reverse_channels"]),
        first=first_inputs(conv.filters, kernel.shape[2], kernel.shape[2] if depthwise else conv.input.shape[-1]),
    )
