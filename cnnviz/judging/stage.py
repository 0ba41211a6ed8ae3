"""What the stage `judge` does: whether one model's pictures and natural patches explain its filters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnviz.analysis import Pixels, known_masks, masked, rendered_images, window
from cnnviz.files import WHOLE, Stopwatch, fresh, progress, write_csv, write_json
from cnnviz.images import load_sets
from cnnviz.images import photos as same_photos
from cnnviz.judging import clarity, colours, scoring, tasks, tiles
from cnnviz.judging.section import AUTO, JudgeSection
from cnnviz.networks import read_description, selection

if TYPE_CHECKING:
    from cnnviz.networks import ModelSection

COLOURS = "colours and textures"  # the judge that is no network
FEWEST = 2  # filters of a layer, between which a judge can choose
SMALLEST, LAYERS = 64, 4  # pixels of a judge's input, its conv layers


def run(
    key: str,
    models: "Mapping[str, ModelSection]",
    section: JudgeSection,
    sets: Sequence[str],
    artifacts: Path,
    watch: Stopwatch,
) -> None:
    """Write `<artifacts>/judge/<key>`; only the number of natural images where they are too few to tell.

    Raises InputError for what an earlier stage has not made.
    """
    described = read_description(artifacts / "models" / key)
    every = selection.filters(models[key].layers, described, f"params.yaml: models.{key}.layers")
    wanted = {layer: filters[:WHOLE] for layer, filters in every.items()}
    shape, rgb = described["input_shape"], described.get("bands", {}).get("rgb")
    pixels = Pixels(load_sets(artifacts, sets, shape[2]), shape, rgb)
    shown = same_photos(one.image(i) for one in pixels.sets.values() for i in range(len(one)))
    photos = len(np.unique(shown))
    scores: dict[str, Any] = {"photos": photos, "needed": scoring.NEEDED, "judges": [], "layers": {}}
    if photos < scoring.NEEDED:
        _write(artifacts, key, scores, [], {})
        return
    from cnnviz.analysis import Observer  # TensorFlow: only where there is something to judge
    from cnnviz.judging import seeing
    from cnnviz.networks import load

    asking = scoring.ranks(photos)
    observer = Observer(load(artifacts / "models" / key)[0], described, list(wanted))
    with watch.network(), progress(len(shown), "image", f"judge {key}") as bar:
        found = seeing.driving(observer, pixels, shown, wanted, asking[-1] + 1, bar.update)
    judges: dict[str, scoring.Embed] = {COLOURS: colours.embed}
    if other := judging_network(key, list(models), section.network, artifacts):
        judges = {other: seeing.NetworkJudge(artifacts / "models" / other).embed, **judges}
    scores["judges"] = list(judges)
    fields = {conv["name"]: conv["receptive_field"] for conv in described["conv_layers"]}
    rows: list[dict[str, Any]] = []
    solved: dict[str, list[np.ndarray]] = {}
    for name, filters in watch.each(wanted):
        images, boxes, driven, _ = found[name]
        rendered = artifacts / "maximize" / key / f"{name}.npz"
        pictures = rendered_images(rendered, rgb and tuple(rgb))
        alive = [row for row, k in enumerate(filters) if driven[row, asking[-1]] > 0 and k in pictures]
        entry: dict[str, Any] = {"filters": [filters[row] for row in alive], "judged": {}}
        scores["layers"][name] = entry
        if len(alive) < FEWEST:
            continue
        natural = scoring.Natural(pixels, images[alive], boxes[alive], asking)
        field = fields[name] or shape[:2]
        made: dict[str, Sequence[scoring.Patches]] = {
            "picture": [tiles.pieces(pictures[filters[row]], field) for row in alive]
        }
        if sets_of := rendered_images(rendered, rgb and tuple(rgb), "from_patches"):
            each = [sets_of[filters[row]] for row in alive]
            made["from_patches"] = [[piece for one in some for piece in tiles.pieces(one, field)] for some in each]
        if looked := _looked(artifacts / "analysis" / key, name, pixels, [filters[r] for r in alive], natural):
            made[scoring.MASKED] = looked
        judged = {judge: scoring.judge(natural, made, embed) for judge, embed in judges.items()}
        entry["judged"] = {judge: one.numbers() for judge, one in judged.items()}
        first = judged[next(iter(judges))]
        entry["reliability"] = clarity.reliability(first.natural)
        for kind, like in first.likes.items():
            solved.setdefault(kind, []).append(tasks.pairs(like))
        for row, vectors in zip(alive, first.natural, strict=True):
            kinds = clarity.facets(vectors)
            numbers = {"clarity": clarity.clarity(vectors), "facets": int(kinds.max()) + 1}
            of_patches = {"facet_of_patches": " ".join(map(str, kinds.tolist()))}
            rows.append({"layer": name, "filter": filters[row], **numbers, **of_patches})
    _write(artifacts, key, scores, rows, {f"explaining_{kind}": tasks.accuracy(one) for kind, one in solved.items()})


def _looked(
    analysis: Path, name: str, pixels: Pixels, filters: Sequence[int], natural: scoring.Natural
) -> list[scoring.Patches]:
    """What each filter looks at of its patches that explain, see Natural; empty where that of one is unknown."""
    known = known_masks(analysis, name, dict(zip(pixels.names, pixels.starts.tolist(), strict=False)))
    found: list[scoring.Patches] = []
    for k, places in zip(filters, natural.places, strict=True):
        masks = [known.get(k, {}).get((number, *box)) for number, box in places]
        if any(mask is None for mask in masks):
            return []
        shown = [
            masked(pixels[number], box, mask)
            for (number, box), mask in zip(places, masks, strict=True)
            if mask is not None
        ]
        found.append([window(image, box) for image, (_, box) in zip(shown, places, strict=True)])
    return found


def judging_network(key: str, models: Sequence[str], asked: str, artifacts: Path) -> str | None:
    """Which model of the run judges: never the subject, nor one of the same layers, which would judge itself.

    asked: a model's key, or auto: the first that takes pictures of natural images (64 pixels at least) in colour. None
    where there is no such model.
    """
    own = _shapes(artifacts, key)
    for other in models if asked == AUTO else [asked]:
        described = read_description(artifacts / "models" / other)
        height, width, channels = described["input_shape"]
        fits = channels == 3 and min(height, width) >= SMALLEST and len(described["conv_layers"]) >= LAYERS
        if other != key and _shapes(artifacts, other) != own and (fits or asked == other):
            return other
    return None


def _shapes(artifacts: Path, key: str) -> list[Any]:
    return [conv["kernel_shape"] for conv in read_description(artifacts / "models" / key)["conv_layers"]]


def _write(
    artifacts: Path, key: str, scores: dict[str, Any], rows: list[dict[str, Any]], metrics: dict[str, float]
) -> None:
    folder = fresh(artifacts / "judge" / key)
    write_json(folder / "scores.json", _known(scores))
    write_csv(folder / "filters.csv", rows)
    write_json(folder / "metrics.json", _known(metrics))


def _known(value: Any) -> Any:
    """NaN as None, which JSON has."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
