"""What the stage `maximize` does: the filters that params.yaml chooses of one model -> artifacts/maximize/<model>."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.activations import nature
from cnnviz.errors import InputError
from cnnviz.files import CACHE, Stopwatch, fresh, progress
from cnnviz.images import load_sets
from cnnviz.maximization.section import MaximizeSection
from cnnviz.networks import read_description, selection
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
    selection.check_canvas(described, wanted, section.size, section.max_size)
    images = load_sets(artifacts, sets, described["input_shape"][2])
    if section.start != "noise" and section.start.split("/")[0] not in images:
        raise InputError(f"params.yaml: maximize.start: {key} can't see the images of that set; {', '.join(images)}")
    # TensorFlow: only after the params are checked
    from cnnviz.maximization import canvas, chunks, files, plain, rendering, surroundings
    from cnnviz.maximization.ascent import settings
    from cnnviz.maximization.cache import RenderCache

    fields = {conv["name"]: canvas.pair(conv["receptive_field"]) for conv in described["conv_layers"]}
    height, width, channels = described["input_shape"]
    with watch.network():
        fitting = canvas.Fitting(chunks.workshop(str(stored)).network, (height, width, channels))
    asked, where = None if section.size == "auto" else canvas.pair(section.size), "params.yaml: maximize.size"
    unseen = canvas.wanted(None, (height, width), section.max_size)
    chosen, use = plain.planned(fitting, described, wanted, section, seed)
    chosen_for = {name: fitting.objective(one, asked, unseen, where) for name, one in others.items()}
    whole_of = {name: settings.settings_for(section, seed, None, one.size) for name, one in chosen_for.items()}
    patches = {name: 0 if settings.first(fields[name]) else section.from_patches for name in wanted}
    wishes = {
        name: rendering.Wishes(section.neuron, section.stability_steps, section.negatives, section.variants, count)
        for name, count in patches.items()
    }
    work = {name: rendering.operations(ks, use[name], wishes[name]) for name, ks in wanted.items()}
    cost = rendering.costs(described, {name: one.size for name, one in use.items()}, (height, width))
    total = sum(work.values()) + section.steps * len(others)
    effort = sum(work[name] * cost[name] for name in work) + section.steps * len(others) * cost[""]
    what = f"{sum(map(len, wanted.values()))} filters of {len(wanted)} layers, {total:,} image·steps"
    bar = progress(total, "image·step", f"maximize {key}", what, effort)

    def make(chunk: "Chunk", _: "Tick") -> "Rendered":
        with watch.network():
            return chunks.render(chunk, bar.update)

    answer = [described.get("head", {}).get("output"), described["class_names"]]  # what `logit` means
    cache = RenderCache(CACHE / "render", described["fingerprint"], answer)
    made = rendering.Rendering(str(stored), make, cache, bar.skip)
    folder, rgb = fresh(artifacts / "maximize" / key), described.get("bands", {}).get("rgb")
    numbers, done = {}, 0
    for layer, filters in watch.each(wanted):
        bar.each = cost[layer]
        known = nature.read(artifacts / "feature_maps" / key, layer, images)
        shape = (*use[layer].size, channels)
        around = surroundings.around(known, images, shape, section.start, (height, width), fields[layer])
        each = chunks.size(str(stored), layer, use[layer], section.memory, around.pictures)
        writer = files.LayerWriter(folder, layer, filters, rgb)
        for some, wish in rendering.parts(filters, each, wishes[layer]):
            writer.add(made.judge(layer, some, use[layer], wish, around))
            done += len(some)
            bar.note(f"{done} filters done")
        numbers[layer] = writer.finish()
    entries, bar.each = {}, cost[""]
    for name, objective in others.items():
        shape = (*whole_of[name].size, channels)
        starts = surroundings.start_image(images, shape, section.start)
        natural = nature.pictures(images, shape[:2], channels) if section.parameterization == "maco" else None
        image = made.images(chunks.Chunk(str(stored), (objective,), whole_of[name], starts=starts, natural=natural))
        entries[name] = files.write_objective(folder, name, str(objective), image, rgb)
    bar.close()
    used = {layer: one.written() | chosen[layer].note for layer, one in use.items()}
    rest = {"objectives": {n: one.written() | chosen_for[n].note for n, one in whole_of.items()}} if others else {}
    files.write_numbers(folder, numbers, entries, used | rest)
