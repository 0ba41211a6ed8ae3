"""Pictures of filters by the first attempt alone, as `maximize` begins: from the same noise for any state of a network.

No second seed for what stays silent, no verdicts, no scores but the objective's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz import objectives
from cnnviz.activations import nature
from cnnviz.files import CACHE, Stopwatch
from cnnviz.images import ImageSet
from cnnviz.maximization import canvas, chunks, surroundings
from cnnviz.maximization.ascent import settings
from cnnviz.maximization.ascent.renderer import Rendered, join
from cnnviz.maximization.cache import RenderCache
from cnnviz.maximization.rendering import Rendering
from cnnviz.networks import read_description

if TYPE_CHECKING:
    from cnnviz.maximization.section import MaximizeSection

Wanted = Mapping[str, Sequence[int]]  # filters by layer


def planned(
    fitting: canvas.Fitting, described: Mapping[str, Any], wanted: Wanted, section: "MaximizeSection", seed: int
) -> tuple[dict[str, canvas.Chosen], dict[str, settings.Settings]]:
    """Canvas and settings of each layer. Raises InputError where the network doesn't take `maximize.size`."""
    size = described["input_shape"][:2]
    fields = {conv["name"]: canvas.pair(conv["receptive_field"]) for conv in described["conv_layers"]}
    asked = None if section.size == "auto" else canvas.pair(section.size)
    seen = {name: canvas.wanted(fields[name], tuple(size), section.max_size) for name in wanted}
    chosen = {name: fitting.layers([name], asked, one, "params.yaml: maximize.size") for name, one in seen.items()}
    return chosen, {name: settings.settings_for(section, seed, fields[name], one.size) for name, one in chosen.items()}


@dataclass(frozen=True)
class Plan:
    """What is the same for all states of one network: settings by layer, how many filters fit into memory at once."""

    wanted: Wanted
    settings: dict[str, settings.Settings]
    together: dict[str, int]
    section: "MaximizeSection"
    images: Mapping[str, ImageSet]

    @classmethod
    def of(
        cls, stored: Path, wanted: Wanted, section: "MaximizeSection", seed: int, images: Mapping[str, ImageSet]
    ) -> "Plan":
        """stored: folder of any of the states; images: those that may be started from. Raises as `planned` does."""
        described = read_description(stored)
        shape: Any = tuple(described["input_shape"])
        fitting = canvas.Fitting(chunks.workshop(str(stored)).network, shape)
        use = planned(fitting, described, wanted, section, seed)[1]
        together = {}
        for layer, one in use.items():
            natural = nature.pictures(images, one.size, shape[2]) if section.parameterization == "maco" else None
            together[layer] = chunks.size(str(stored), layer, one, section.memory, natural)
        return cls(wanted, use, together, section, images)

    @property
    def steps(self) -> int:
        """Image·steps for one state."""
        return sum(len(ks) * self.settings[layer].steps for layer, ks in self.wanted.items())

    def made(self, stored: Path, watch: Stopwatch, bar: Any) -> Iterator[tuple[str, Rendered]]:
        """Each layer with its filters' pictures, in the order of `wanted`; what is in the render cache is not made.

        stored: folder of a stored model of this architecture; bar: of files.progress, in image·steps.
        """
        described = read_description(stored)
        answer = [described.get("head", {}).get("output"), described["class_names"]]
        cache, channels = RenderCache(CACHE / "render", described["fingerprint"], answer), described["input_shape"][2]

        def make(chunk: chunks.Chunk, _: Any) -> Rendered:
            with watch.network():
                return chunks.render(chunk, bar.update)

        rendering = Rendering(str(stored), make, cache, bar.skip)
        aim = objectives.neuron if self.section.neuron else objectives.channel
        for layer, filters in self.wanted.items():
            use, each, parts = self.settings[layer], self.together[layer], []
            start = surroundings.start_image(self.images, (*use.size, channels), self.section.start)
            maco = use.parameterization == "maco"
            natural = nature.pictures(self.images, use.size, channels) if maco else None
            for first in range(0, len(filters), each):
                aims = tuple(aim(layer, k) for k in filters[first : first + each])
                starts = None if start is None else start.repeat(len(aims), 0)
                parts.append(rendering.images(chunks.Chunk(str(stored), aims, use, natural=natural, starts=starts)))
            yield layer, join(parts)
