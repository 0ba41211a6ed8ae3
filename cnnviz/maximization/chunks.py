"""Images rendered a chunk at a time: a pure function of picklable arguments, so that any process can do it.

The network is loaded once per process, and the traced graph kept while the next chunk is of the same kind.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cnnviz import device
from cnnviz.maximization.ascent.policy import Policy
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.ascent.renderer import Renderer
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.networks import load
from cnnviz.objectives import Objective, channel

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h
LARGEST = 16  # images, on a CPU: more gains nothing, and an interruption loses a chunk


@dataclass(frozen=True)
class Chunk:
    """Objectives of one structure to render with one group of settings.

    model: folder of a stored model (`models.load`). starts: images to start from, float32 `(n, h, w, channels)` in
    [0, 1], or None for noise; natural: `(m, h, w, channels)` in [0, 1], for MaCo. scored, measured: see
    `Renderer.render`.
    """

    model: str
    objectives: tuple[Objective, ...]
    settings: Settings
    attempt: int = 0
    starts: np.ndarray | None = None
    natural: np.ndarray | None = None
    scored: bool = True
    measured: bool = True


class Workshop:
    """A network and the last renderer that was traced for it.

    digest: what start noise is drawn by, besides seed and objective. described: model.json, where there is one, which
    says what the answer is that `logit` means. policy: of its renderers, by default that of this process's device.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Any,
        digest: str,
        channels: int,
        described: Mapping[str, Any] | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.network, self.preprocessing, self.digest, self.channels = network, preprocessing, digest, channels
        self.described, self.policy = described, policy
        self._key: tuple[Any, ...] = ()
        self._renderer: Renderer
        self._next: tuple[tuple[Any, ...], threading.Thread, list[Renderer]] | None = None

    def renderer(self, like: Objective, settings: Settings, natural: np.ndarray | None = None) -> Renderer:
        """Return the renderer of this structure and these settings, traced anew only where its graph would differ."""
        key = _key(like, settings, natural)
        if key != self._key:
            prepared = self.settle() if self._next and self._next[0] == key else None
            self._renderer, self._key = prepared or self._made(like, settings, natural), key
        self._renderer.settings = settings
        return self._renderer

    def _made(self, like: Objective, settings: Settings, natural: np.ndarray | None) -> Renderer:
        more = natural, self.described, self.policy
        return Renderer(self.network, self.preprocessing, like, settings, self.digest, self.channels, *more)

    def prepare(self, like: Objective, settings: Settings) -> None:
        """On a card, have the renderer that comes next compiled in a thread, while this one computes."""
        fixed, key = self.policy.fixed if self.policy else device.here().gpu, _key(like, settings, None)
        # TF32 is a setting of all threads
        if not fixed or settings.precision == "tf32" or key == self._key or (self._next and self._next[0] == key):
            return
        found: list[Renderer] = []

        def make() -> None:
            with contextlib.suppress(Exception):  # it comes again, where it is asked for
                found.append(self._made(like, settings, None))
                found[0].ready()

        self.settle()
        self._next = key, threading.Thread(target=make, name="cnnviz compiles", daemon=True), found
        self._next[1].start()

    def settle(self) -> Renderer | None:
        """Wait for what is prepared, and hand it out."""
        if self._next is None:
            return None
        (_, thread, found), self._next = self._next, None
        thread.join()
        return found[0] if found else None

    def render(self, chunk: Chunk, tick: Callable[[int], object] = lambda done: None) -> Rendered:
        """Render a chunk; its `model` is not looked at."""
        renderer = self.renderer(chunk.objectives[0], chunk.settings, chunk.natural)
        return renderer.render(chunk.objectives, chunk.starts, chunk.attempt, chunk.scored, chunk.measured, tick)

    def size(self, like: Objective, settings: Settings, memory_mb: float, natural: np.ndarray | None = None) -> int:
        """How many objectives fit into a budget of megabytes (at least 1), with what fills their batch up.

        On a card a batch of its renderer, whose size follows from the memory that the card has.
        """
        renderer = self.renderer(like, settings, natural)
        if renderer.policy.fixed:
            return renderer.policy.batch // settings.variants
        if not renderer.fill:
            return 1
        fit = int(memory_mb * 2**20 / (renderer.bytes_per_image * settings.variants))
        return max(1, min(LARGEST, fit // renderer.fill * renderer.fill))


def _key(like: Objective, settings: Settings, natural: np.ndarray | None) -> tuple[Any, ...]:
    """Of renderers that are the same."""
    return (like.structure, settings.traced, None if natural is None else natural.tobytes())


def keep_heap() -> None:
    """Let this process keep freed memory, where glibc allows it: a step is 4% faster without new pages each time.

    A setting of the whole process: for stages, not for a library's users.
    """
    with contextlib.suppress(AttributeError, OSError):
        c = ctypes.CDLL(None)
        for name, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**26)):
            c.mallopt(name, value)


def size(model: str, layer: str, settings: Settings, memory_mb: float, natural: np.ndarray | None = None) -> int:
    """How many filters of a layer of a stored model fit into a budget of megabytes."""
    natural = natural if settings.parameterization == "maco" else None
    return workshop(model).size(channel(layer, 0), settings, memory_mb, natural)


def prepare(model: str, layer: str, settings: Settings) -> None:
    """On a card, have the graphs of a layer of a stored model compiled while another layer's are at work."""
    if settings.parameterization != "maco":
        workshop(model).prepare(channel(layer, 0), settings)


def settle(model: str) -> None:
    """Wait for what was prepared and not asked for: no process ends well while XLA compiles."""
    workshop(model).settle()


def note(model: str, like: Objective, settings: Settings, natural: np.ndarray | None = None) -> dict[str, Any]:
    """For settings.json, what of this process's card decides about the images of a stored model; of a CPU nothing."""
    if not (card := device.here()).gpu:
        return {}
    natural = natural if settings.parameterization == "maco" else None
    return {"device": str(card)} | workshop(model).renderer(like, settings, natural).policy.note


def render(chunk: Chunk, tick: Callable[[int], object] = lambda done: None) -> Rendered:
    """Render a chunk of a stored model, in this process or in another one: the same bytes."""
    return workshop(chunk.model).render(chunk, tick)


@lru_cache(maxsize=1)
def workshop(model: str) -> Workshop:
    """Load a stored model, once per process."""
    keep_heap()
    network, described = load(Path(model))
    noise = described.get("noise", described["digest"])  # of a series: the same at every checkpoint
    return Workshop(network, described["preprocessing"], noise, described["input_shape"][2], described)
