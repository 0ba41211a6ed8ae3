"""How alike two images of a filter are to the network itself. TensorFlow comes with the first question."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.activations import nature


class Features:
    """The features of the network stored in `models`, standardised over the natural images of `feature_maps`."""

    def __init__(self, models: Path, feature_maps: Path) -> None:
        self.models, self.feature_maps = models, feature_maps
        self.sets = sorted(path.parent.name for path in feature_maps.glob("*/per_image.npz"))

    @cached_property
    def _network(self) -> tuple[Any, dict[str, Any]]:
        from cnnviz import networks

        return networks.load(self.models)

    def alike(self, layer: str, here: NDArray, there: NDArray) -> NDArray:
        """Cosine similarity of pairs of images, uint8 `(n, h, w, channels)`, `(n,)`: seed stability of docs/scores.md.

        The two of a pair may differ in size. NaN where an image's features are those of the mean natural image.
        """
        from cnnviz import maximization

        network, described = self._network
        natural = nature.read(self.feature_maps, layer, self.sets).features if self.sets else None
        measured = [nature.measure(network, described["preprocessing"], layer, each).features for each in (here, there)]
        return maximization.scores.seed_stability(np.stack(measured, 1), natural)
