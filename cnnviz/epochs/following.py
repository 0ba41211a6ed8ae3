"""What the stage `epochs` does: a series of checkpoints, one after the other -> artifacts/epochs/<model>.

Works in the memory of one checkpoint: pictures go to files at once, of the rest a few numbers per filter are kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz import maximization
from cnnviz.epochs import files
from cnnviz.files import CACHE, Stopwatch, fresh, progress, say
from cnnviz.networks import read_description, selection, series

if TYPE_CHECKING:
    from cnnviz.analysis import AnalyzeSection
    from cnnviz.maximization import MaximizeSection
    from cnnviz.networks import ModelSection


def run(
    key: str,
    model: "ModelSection",
    section: "MaximizeSection",
    analyze: "AnalyzeSection",
    seed: int,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
    shard: str = "",
) -> None:
    """Write `<artifacts>/epochs/<key>`: of a model that is no series only that it is none.

    seed: params.random_seed; sets: names of image sets; shard: as `maximization.run` takes it. Raises InputError for a
    layer or filter that is not there.
    """
    stored = artifacts / "models" / key
    described = read_description(stored)
    if "checkpoints" not in described:  # no TensorFlow for these: most models are no series
        if not shard:
            files.write_none(fresh(artifacts / "epochs" / key))
        return
    kept = series.Stored(stored)
    request = maximization.Request(key, model, section, seed, tuple(sets), plain=True)
    given = request.read(artifacts)
    wanted, images = given.wanted, given.images
    selection.check_batch(described, analyze.batch, "params.yaml: analyze.batch")
    # TensorFlow: only after the params are checked
    from cnnviz.epochs import forming, states

    if shard:
        maximization.fill(request, artifacts, CACHE / "render", shard, watch)
        return
    pictures = maximization.of_series(request, artifacts, watch)
    folder = fresh(artifacts / "epochs" / key)
    active: list[dict[str, Any]] = []
    for _, i in watch.each({str(i): i for i in range(len(kept))}):
        made = next(pictures)
        files.write_pictures(folder, i, {layer: one.images for layer, one in made.items()})
        active.append({layer: forming.facts(one) for layer, one in made.items()})
        del made  # or those of two checkpoints are in memory
    next(pictures, None)
    grown = {
        layer: forming.formed(folder, layer, ks, [one[layer] for one in active], artifacts, key, images, model.formed)
        for layer, ks in wanted.items()
    }
    seen = states.States(key, model, analyze, images, described)
    count = len(kept) * sum(map(len, images.values()))
    with watch.network(), progress(count, "image", f"epochs {key}: on images") as bar:
        seen.begin(stored)
        for i in range(len(kept)):
            with kept.at(i) as place:
                seen.add(place, bar.update)
            series.let_go(described["parameters"])
    for note in files.write(folder, kept.entries, grown, seen.found(), model.formed):
        say(f"{key}: {note}")
