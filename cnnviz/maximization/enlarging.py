"""What the stage `enlarge` does: single filters on a larger canvas than `maximize` gives them -> artifacts/enlarge."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.activations import nature
from cnnviz.files import CACHE, Stopwatch, fresh, progress, write_bytes, write_json
from cnnviz.images import load_sets
from cnnviz.maximization.section import MaximizeSection
from cnnviz.networks import read_description, selection
from cnnviz.pictures import png_bytes, shown

if TYPE_CHECKING:
    from cnnviz.maximization.ascent.rendered import Rendered
    from cnnviz.maximization.chunks import Chunk
    from cnnviz.maximization.rendering import Tick

Asked = Mapping[str, Mapping[int, int]]  # layer: filter: side of its canvas in pixels
LIST = "enlarge.json"


def enlarge(
    asked: Mapping[str, Asked],
    section: MaximizeSection,
    seed: int,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
) -> None:
    """Render these filters, by model, as `maximize` does but for the canvas; what is in the render cache is not again.

    Raises InputError for a model, layer or filter that is not there, and for a canvas that its network does not take.
    """
    known = {key: read_description(artifacts / "models" / key) for key, layers in asked.items() if any(layers.values())}
    for key, described in known.items():
        check_enlarged(key, asked[key], section, described)
    folder, found = fresh(artifacts / "enlarge"), {}
    for key, described in known.items():
        found[key] = _model(key, asked[key], described, section, seed, sets, artifacts, watch)
    write_json(folder / LIST, found)


def check_enlarged(key: str, asked: Asked, section: MaximizeSection, described: dict[str, Any]) -> None:
    """Raises InputError where these filters or canvases can't be had of a model; described: model.json."""
    where = f"params.yaml: enlarge.{key}"
    selection.filters({layer: list(sides) for layer, sides in asked.items() if sides}, described, where)
    for layer, sides in asked.items():
        for k, side in sides.items():
            selection.check_canvas(described, {layer}, side, section.max_size, f"{where}.{layer}.{k}")


def _model(
    key: str,
    asked: Asked,
    described: dict[str, Any],
    section: MaximizeSection,
    seed: int,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
) -> dict[str, Any]:
    # TensorFlow: only where something is asked for, and after the params are checked
    from cnnviz.maximization import canvas, chunks, rendering, surroundings
    from cnnviz.maximization.ascent import settings
    from cnnviz.maximization.asking import Wishes
    from cnnviz.maximization.cache import RenderCache

    stored, rgb = artifacts / "models" / key, described.get("bands", {}).get("rgb")
    height, width, channels = described["input_shape"]
    images = load_sets(artifacts, sets, channels)
    fields = {conv["name"]: canvas.pair(conv["receptive_field"]) for conv in described["conv_layers"]}
    answer = [described.get("head", {}).get("output"), described["class_names"]]
    cache = RenderCache(CACHE / "render", described["fingerprint"], answer)
    with watch.network():
        fitting = canvas.Fitting(chunks.workshop(str(stored)).network, (height, width, channels))
    total = section.steps * sum(map(len, asked.values()))
    bar = progress(total, "image·step", f"enlarge {key}", f"{total:,} image·steps")

    def make(chunk: "Chunk", _: "Tick") -> "Rendered":
        with watch.network():
            return chunks.render(chunk, bar.update)

    made = rendering.Rendering(str(stored), make, cache, bar.skip)
    found: dict[str, Any] = {}
    for layer, sides in asked.items():
        natural = nature.read(artifacts / "feature_maps" / key, layer, images)
        for k, side in sides.items():
            chosen = fitting.layers([layer], (side, side), (side, side), f"params.yaml: enlarge.{key}.{layer}.{k}")
            use = settings.settings_for(section, seed, fields[layer], chosen.size)
            shape = (*use.size, channels)
            around = surroundings.around(natural, images, shape, section.start, (height, width), fields[layer])
            judged = made.judge(layer, [k], use, Wishes(section.neuron, 0), around)
            write_bytes(
                artifacts / "enlarge" / key / layer / f"{k}.png", png_bytes(shown(judged.rendered.images[0], rgb))
            )
            found.setdefault(layer, {})[k] = {
                "size": list(use.size),
                "status": str(judged.status[0]),
                "reason": str(judged.reason[0]),
                "settings": use.written(),
            }
    bar.close()
    return found
