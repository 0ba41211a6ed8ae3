"""What the stage `maximize` does: the filters that params.yaml chooses of one model -> artifacts/maximize/<model>."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.activations import nature
from cnnviz.files import CACHE, Stopwatch, fresh, progress
from cnnviz.images import load_set
from cnnviz.maximization.section import MaximizeSection
from cnnviz.networks import fingerprint, read_description, selection
from cnnviz.objectives import parse

if TYPE_CHECKING:
    from cnnviz.maximization.ascent.renderer import Rendered
    from cnnviz.maximization.chunks import Chunk
    from cnnviz.maximization.rendering import Tick
    from cnnviz.networks import ModelSection


def run(
    key: str,
    model: "ModelSection",
    section: MaximizeSection,
    seed: int,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
) -> None:
    """Render filters and objectives of the model `key`, scored against the images of `sets`; seed: params.random_seed.

    What is in the render cache is not rendered again. Raises InputError for a layer or filter that is not there.
    """
    stored = artifacts / "models" / key
    described = read_description(stored)
    wanted = selection.filters(model.layers, described, f"params.yaml: models.{key}.layers")
    others = {name: parse(text) for name, text in model.objectives.items()}
    images = {name: load_set(artifacts / "images" / f"{name}.npz") for name in sets}
    from cnnviz.maximization import chunks, files, rendering  # TensorFlow: only after the params are checked
    from cnnviz.maximization.ascent import settings
    from cnnviz.maximization.cache import RenderCache

    wishes = rendering.Wishes(section.neuron, section.stability_steps, section.negatives, section.variants)
    fields = {conv["name"]: conv["receptive_field"] for conv in described["conv_layers"]}
    size = described["input_shape"][0]
    use = {name: settings.settings_for(section, seed, fields[name], size) for name in wanted}
    whole = settings.settings_for(section, seed, None, size)
    whole_of = {name: settings.for_objective(whole, one, size) for name, one in others.items()}
    work = {name: rendering.operations(len(ks), use[name], wishes) for name, ks in wanted.items()}
    cost = rendering.costs(described, {name: one.size for name, one in use.items()}, whole.size)
    total = sum(work.values()) + whole.steps * len(others)
    effort = sum(work[name] * cost[name] for name in work) + whole.steps * len(others) * cost[""]
    what = f"{sum(map(len, wanted.values()))} filters of {len(wanted)} layers, {total:,} image·steps"
    bar = progress(total, "image·step", f"maximize {key}", what, effort)

    def make(chunk: "Chunk", _: "Tick") -> "Rendered":
        with watch.network():
            return chunks.render(chunk, bar.update)

    cache = RenderCache(CACHE / "render", fingerprint(described))
    made = rendering.Rendering(str(stored), make, cache, bar.skip)
    folder = fresh(artifacts / "maximize" / key)
    numbers, done = {}, 0
    for layer, filters in watch.each(wanted):
        bar.each = cost[layer]
        known = nature.read(artifacts / "feature_maps" / key, layer, sets)
        around = rendering.around(known, images, use[layer].size, section.start)
        each = chunks.size(str(stored), layer, use[layer], section.memory, around.pictures)
        writer = files.LayerWriter(folder, layer, filters)
        for start in range(0, len(filters), each):
            writer.add(made.judge(layer, filters[start : start + each], use[layer], wishes, around))
            done += len(filters[start : start + each])
            bar.note(f"{done} filters done")
        numbers[layer] = writer.finish()
    entries, bar.each = {}, cost[""]
    for name, objective in others.items():
        starts = rendering.start_image(images, whole_of[name].size, section.start)
        image = made.images(chunks.Chunk(str(stored), (objective,), whole_of[name], starts=starts))
        entries[name] = files.write_objective(folder, name, str(objective), image)
    bar.close()
    used = {layer: dataclasses.asdict(one) for layer, one in use.items()}
    rest = {"objectives": {n: dataclasses.asdict(one) for n, one in whole_of.items()}} if others else {}
    files.write_numbers(folder, numbers, entries, used | rest)
