"""The same step in PyTorch, as one would write it for the purpose: what is to be beaten. Imports nothing of cnnviz.

A Fourier image in decorrelated colours with its limit of contrast, random affine transforms drawn for each image,
VGG16's own preprocessing, the mean of a channel, momentum on gradients of unit length: cnnviz's recipe. Eager or by
`torch.compile`, channels last or not, in TF32 or bfloat16.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.card import rows

CFG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512)
NAMES = [f"block{b}_conv{i}" for b, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
COLOUR = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])  # tensorflow/lucid's, of ImageNet
CONTRAST = 1.5 * 4 * np.linalg.norm(COLOUR, axis=0).max()  # 1.5 times that of photographs
MEAN = (103.939, 116.779, 123.68)  # BGR
RATE, DECAY = 0.1, 0.9
# compiled, channels last, precision; the fastest ones of a user's choices first
VARIANTS = ((False, True, "bfloat16"), (True, True, "bfloat16"), (False, True, "tf32"), (True, True, "tf32"),
            (False, False, "bfloat16"), (True, False, "bfloat16"))  # fmt: skip


def trunk(weights: Any, convolutions: int, last: bool) -> torch.nn.Module:
    """VGG16's first layers; last: in the layout channels last."""
    found: list[torch.nn.Module] = []
    for kind in CFG:
        done = sum(isinstance(one, torch.nn.Conv2d) for one in found)
        if done == convolutions:
            break
        if kind == "M":
            found.append(torch.nn.MaxPool2d(2))
            continue
        kernel, bias = (weights[f"{NAMES[done]}/{part}"] for part in ("kernel", "bias"))
        conv = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
        conv.weight.data, conv.bias.data = torch.tensor(kernel.transpose(3, 2, 0, 1)), torch.tensor(bias)
        found += [conv, torch.nn.ReLU()]
    made = torch.nn.Sequential(*found).requires_grad_(False)
    return made.to(memory_format=torch.channels_last) if last else made


class Ascent:
    """Images of one size and the score that they climb; matrices: affine, from output to input pixels, `(n, 6)`."""

    def __init__(self, net: torch.nn.Module, size: int, last: bool, precision: str, kind: str) -> None:
        self.net, self.size, self.last, self.precision, self.kind = net, size, last, precision, kind
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
        scale = size / np.maximum(frequency, 1 / size) / 4
        self.scale = self._tensor(scale)[..., None]
        self.colour = self._tensor(COLOUR / np.linalg.norm(COLOUR, axis=0).max())
        self.mean = self._tensor(np.array(MEAN))[:, None, None]

    def _tensor(self, array: Any) -> torch.Tensor:
        return torch.tensor(np.asarray(array, np.float32), device=self.kind)

    def images(self, z: torch.Tensor) -> torch.Tensor:
        """Coefficients `(n, 3, size, size // 2 + 1, 2)` -> images `(n, 3, size, size)` in (0, 1), RGB."""
        planes = torch.fft.irfft2(torch.view_as_complex(z * self.scale), s=(self.size, self.size))
        power = planes.square().mean((2, 3), keepdim=True)
        planes = planes * (CONTRAST * torch.rsqrt(power + 1e-20)).clamp(max=1)
        return torch.sigmoid(torch.einsum("nchw,dc->ndhw", planes, self.colour))

    def moved(self, images: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
        """Bilinear; grey comes in."""
        a, b, c, d, e, f = matrices.unbind(1)
        half = (self.size - 1) / 2
        x, y = (c + (a + b) * half) / half - 1, (f + (d + e) * half) / half - 1
        theta = torch.stack([torch.stack([a, b, x], 1), torch.stack([d, e, y], 1)], 1)
        grid = torch.nn.functional.affine_grid(theta, list(images.shape), align_corners=True)
        return torch.nn.functional.grid_sample(images - 0.5, grid, align_corners=True) + 0.5

    def score(self, z: torch.Tensor, matrices: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
        images = self.moved(self.images(z), matrices)
        inputs = images.flip(1) * 255 - self.mean
        inputs = inputs.contiguous(memory_format=torch.channels_last if self.last else torch.contiguous_format)
        with torch.autocast(self.kind, torch.bfloat16, enabled=self.precision == "bfloat16"):
            maps = self.net(inputs)
        return maps[torch.arange(len(z), device=z.device), channels].float().mean((1, 2))


def update(z: torch.Tensor, momentum: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    length = torch.rsqrt(gradient.square().mean((1, 2, 3, 4), keepdim=True) + 1e-20)
    momentum = DECAY * momentum + (1 - DECAY) * gradient * length
    return z + RATE * momentum, momentum


def transforms(steps: int, images: int, size: int) -> np.ndarray:
    """As cnnviz draws them: float32 `(steps, images, 6)`."""
    rng = np.random.default_rng(0)
    shift = rng.uniform(-0.06, 0.06, (2, steps, images)) * size
    factor = 1 + rng.uniform(-0.1, 0.1, (steps, images))
    angle = np.deg2rad(rng.uniform(-5, 5, (steps, images)))
    cos, sin, middle = np.cos(angle) / factor, np.sin(angle) / factor, (size - 1) / 2
    x, y = middle - cos * middle + sin * middle + shift[0], middle - sin * middle - cos * middle + shift[1]
    return np.stack([cos, -sin, x, sin, cos, y], -1).astype("float32")


def loop(ascent: Ascent, images: int, compiled: bool) -> Callable[[int], None]:
    """What makes so many steps, all on the device, and waits for the last."""
    score, step = (torch.compile(one) for one in (ascent.score, update)) if compiled else (ascent.score, update)
    shape = (images, 3, ascent.size, ascent.size // 2 + 1, 2)
    start = np.random.default_rng(0).normal(0, 0.01, shape)
    moves = ascent._tensor(transforms(64, images, ascent.size))
    channels = torch.arange(images, device=ascent.kind) % 64

    def run(steps: int) -> None:
        z = ascent._tensor(start)
        momentum = torch.zeros_like(z)
        for i in range(steps):
            z.requires_grad_(True)
            (gradient,) = torch.autograd.grad(score(z, moves[i % 64], channels).sum(), z)
            z, momentum = step(z.detach(), momentum, gradient)
        z.cpu()

    return run


def measure(
    layers: Sequence[str],
    counts: Sequence[int],
    steps: tuple[int, int],
    file: str,
    kind: str,
    seconds: float,
    warm: bool,
) -> Iterator[dict[str, Any]]:
    """Rows of each layer, number of images and variant, as far as the seconds go. warm: only have what is compiled
    compiled, for a process that measures afterwards and finds it in PyTorch's cache.
    """
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    end = time.monotonic() + seconds
    name = torch.cuda.get_device_name() if kind == "cuda" else "CPU"
    yield {"torch": torch.__version__, "peer_device": name}
    weights = np.load(file)
    for compiled, last, precision in VARIANTS:
        if warm and not compiled:
            continue
        for layer in layers:
            for count in counts:
                tool = f"torch {'compiled' if compiled else 'eager'}, {precision}{', channels last' if last else ''}"
                row = {"tool": tool, "layer": layer, "images": count}
                if time.monotonic() > end:
                    yield row | {"failed": "no time left"}
                    continue
                try:
                    torch.compiler.reset()
                    net = trunk(weights, rows.LAYERS[layer], last).to(kind)
                    run = loop(Ascent(net, rows.SIZE, last, precision, kind), count, compiled)
                    begun = time.perf_counter()
                    run(2)
                    first = time.perf_counter() - begun
                    each = [math.nan] if warm else rows.milliseconds(run, steps, count)
                except Exception as error:  # of one variant: the others are still of interest
                    yield row | {"failed": rows.reason(error)}
                    continue
                if not warm:
                    yield row | {"ms": statistics.median(each), "each": each, "first_call_s": first}


if __name__ == "__main__":
    rows.part(measure)
