"""What the stage `maximize` does: the filters that params.yaml chooses of one model -> artifacts/maximize/<model>."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.files import CACHE, Stopwatch, fresh, progress
from cnnviz.maximization.execution.crew import Ticks, beside
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.execution.shards import fill
from cnnviz.maximization.section import MaximizeSection

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection


def run(
    key: str,
    model: "ModelSection",
    section: MaximizeSection,
    seed: int,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
    shard: str = "",
) -> None:
    """Render filters and objectives of the model `key`, scored against the images of `sets`; seed: params.random_seed.

    What is in the render cache is not rendered again. shard: of the pictures a share such as `3/32`, for that cache
    alone. Raises InputError for a layer or filter that is not there.
    """
    request = Request(key, model, section, seed, tuple(sets))
    given, cache = request.read(artifacts), CACHE / "render"
    # TensorFlow: only after the params are checked
    if shard:
        fill(request, artifacts, cache, shard, watch)
        return
    with beside(request, given, artifacts, cache) as crew:
        from cnnviz.maximization import chunks, files
        from cnnviz.maximization.execution import execute

        done = execute(crew.request, artifacts, cache, f"maximize {key}", watch)
        work = done.work
        what = f"{sum(map(len, work.wanted.values()))} filters of {len(work.wanted)} layers, {work.steps:,} image·steps"
        bar = progress(work.steps, "image·step", done.name, what, work.effort)
        made = done.rendering(work, watch, Ticks() if crew.fill(done, bar, watch) else bar)
    folder, rgb = fresh(artifacts / "maximize" / key), work.described.get("bands", {}).get("rgb")
    numbers, count = {}, 0
    for layer, filters in watch.each(work.wanted):
        bar.each = work.costs[layer]
        writer = files.LayerWriter(folder, layer, list(filters), rgb)
        for part in work.of_layer(layer):
            writer.add(work.judge(part, made))
            count += len(part.filters)
            bar.note(f"{count} filters done")
        numbers[layer] = writer.finish()
    entries, bar.each = {}, work.costs[""]
    for part in work.of_objectives():
        image, text = work.images_of(part, made), str(work.objectives[part.objective])
        entries[part.objective] = files.write_objective(folder, part.objective, text, image, rgb)
    bar.close()
    chunks.settle(str(work.stored))
    files.write_numbers(folder, numbers, entries, work.written)
