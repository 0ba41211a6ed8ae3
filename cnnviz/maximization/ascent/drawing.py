"""What is drawn for an image, from a random stream of its own: where it starts, and how it is moved at each step."""

import hashlib

import numpy as np

from cnnviz.maximization.ascent import transforms
from cnnviz.maximization.ascent.parameterization import Fourier, Pixel
from cnnviz.maximization.ascent.settings import Settings
from cnnviz.networks import series
from cnnviz.objectives import Objective


def stream(seed: int, attempt: int, digest: str, objective: Objective, variant: int) -> np.random.Generator:
    """A random stream that belongs to one image: of one objective on one network, for one seed, attempt and variant."""
    named = objective.nameless if digest == series.NOISE else objective  # two trainings may call one layer otherwise
    key = hashlib.sha256(f"{digest}/{named}/{variant}".encode()).digest()
    return np.random.default_rng([seed, attempt, *np.frombuffer(key, "<u4")])


def begun(
    chosen: Pixel | Fourier,
    settings: Settings,
    digest: str,
    objective: Objective,
    start: np.ndarray | None,
    attempt: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The variants of one objective: variables `(v, …)`, and transforms of all steps float32 `(v, steps, 8)`.

    start: an image `(h, w, channels)` in [0, 1] to start from instead of noise.
    """
    streams = [stream(settings.seed, attempt, digest, objective, i) for i in range(settings.variants)]
    variables = np.stack([chosen.noise(rng) for rng in streams])
    if start is not None:
        variables = np.stack([chosen.encode(start)] * settings.variants)
    amounts = (settings.steps, settings.size, settings.jitter, settings.scale, settings.rotate)
    return variables, np.stack([transforms.draw(rng, *amounts) for rng in streams])
