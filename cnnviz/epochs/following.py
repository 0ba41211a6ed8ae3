"""What the stage `epochs` does: a series of checkpoints, one after the other -> artifacts/epochs/<model>.

Works in the memory of one checkpoint: pictures go to files at once, of the rest a few numbers per filter are kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.epochs import files
from cnnviz.files import WHOLE, Stopwatch, fresh, progress, say
from cnnviz.images import load_sets
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
) -> None:
    """Write `<artifacts>/epochs/<key>`: of a model that is no series only that it is none.

    seed: params.random_seed; sets: names of image sets. Raises InputError for a layer or filter that is not there.
    """
    stored = artifacts / "models" / key
    described = read_description(stored)
    if "checkpoints" not in described:  # no TensorFlow for these: most models are no series
        files.write_none(fresh(artifacts / "epochs" / key))
        return
    kept = series.Stored(stored)
    every = selection.filters(model.layers, described, f"params.yaml: models.{key}.layers")
    wanted = {layer: filters[:WHOLE] for layer, filters in every.items()}
    selection.check_canvas(described, wanted, section.size, section.max_size)
    selection.check_batch(described, analyze.batch, "params.yaml: analyze.batch")
    images = load_sets(artifacts, sets, described["input_shape"][2])
    # TensorFlow: only after the params are checked
    from cnnviz.epochs import forming, states
    from cnnviz.maximization import Plan

    folder = fresh(artifacts / "epochs" / key)
    with watch.network():
        plan = Plan.of(stored, wanted, section, seed, images)
    total = len(kept) * plan.steps
    often = f"{len(kept)} checkpoint{'s' * (len(kept) != 1)}"
    what = f"{sum(map(len, wanted.values()))} filters at {often}, {total:,} image·steps"
    bar = progress(total, "image·step", f"epochs {key}", what)
    active: list[dict[str, Any]] = []
    for _, i in watch.each({str(i): i for i in range(len(kept))}):
        with kept.at(i) as place:
            made = dict(plan.made(place, watch, bar))
        files.write_pictures(folder, i, {layer: one.images for layer, one in made.items()})
        active.append({layer: forming.facts(one) for layer, one in made.items()})
        series.let_go(described["parameters"])
        bar.note(f"{i + 1} checkpoints done")
    bar.close()
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
