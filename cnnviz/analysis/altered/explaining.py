"""Right images made wrong by named transforms, and why: `altered.json` and `altered/` (docs/artifacts.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis.altered import changes, search, transforms
from cnnviz.analysis.layers import LayerAnalysis
from cnnviz.analysis.observe import Observer
from cnnviz.analysis.predictions import gradcam, plots
from cnnviz.analysis.predictions.files import FILTERS, Writer, rounded
from cnnviz.analysis.predictions.outputs import Predictions
from cnnviz.analysis.section import AlteredSection
from cnnviz.files import npz, progress, write_bytes, write_json
from cnnviz.images import converted, resized
from cnnviz.pictures import shown

PER_LAYER = 4  # filters named of every layer


@dataclass
class _Maker:
    """One model. writer, explainer: as for its other predictions; spreads: see `changes.spreads`."""

    writer: Writer
    explainer: gradcam.Explainer
    observer: Observer
    found: Mapping[str, Predictions]
    spreads: Mapping[str, NDArray[np.float64]]

    def image(self, place: tuple[str, int], name: str, strength: float) -> NDArray[np.float32]:
        """An altered image as the network sees it. Altered first: what a conversion adds (opacity) stays as it is."""
        pixels = self.writer.pixels
        height, width, channels = pixels.shape
        whole = resized(pixels.sets[place[0]], [place[1]], (height, width))[0].astype(np.uint8)
        return np.rint(converted(transforms.TRANSFORMS[name](whole, strength).astype(np.float32), channels))

    def pair(self, flip: search.Flip) -> dict[str, Any]:
        """`altered/<transform>_<set>_<image>.npz` and `.png`; returns the entry of altered.json."""
        writer, found = self.writer, self.found[flip.set]
        before = writer.seen(*flip.place)
        after = self.image(flip.place, flip.transform, flip.strength).astype(np.uint8)
        (scores,) = self.explainer.logits(after[None])
        wrong, true = int(scores.argmax()), int(found.true[flip.image])
        made = self.explainer.explain(after, (wrong, true))
        maps, slopes, _, logits = self.explainer.gradients(before, [wrong, true])
        cam = gradcam.stretch(gradcam.gradcam(maps, slopes[1]), (before.shape[0], before.shape[1]))
        was = gradcam.contributions(maps, slopes[0] - slopes[1])
        turned = made.contributions - was
        strongest = np.argsort(-turned, kind="stable")[:FILTERS].tolist()
        layers, arrays = self._layers(before, after)
        stem = f"altered/{flip.transform}_{flip.set}_{flip.image}"
        arrays |= {"classes": np.array([wrong, true], np.int32), "right": before, "wrong": after}
        arrays |= {"gradcam": made.maps, "gradcam_over_image": made.over_image, "gradcam_over_right": cam}
        arrays |= {"windows": made.boxes, "drops": made.drops}
        arrays |= {"contributions": made.contributions, "contributions_right": was}
        write_bytes(writer.folder / f"{stem}.npz", npz.pack(arrays, compress=True))
        probabilities = self.observer.head.probabilities(made.logits[None])[0]
        checks = [asdict(each) for each in made.checks]
        entry = {
            **asdict(flip),
            "said": transforms.said(flip.transform, flip.strength, before.shape[:2]),
            "name": str(writer.pixels.sets[flip.set].names[flip.image]),
            "true": true,
            "true_class": writer.names[true],
            "predicted": wrong,
            "predicted_class": writer.names[wrong],
            "confidence": {"right": float(found.confidence[flip.image]), "wrong": float(probabilities[wrong])},
            "difference": {
                "right": float(logits[wrong] - logits[true]),
                "wrong": float(made.logits[wrong] - made.logits[true]),
            },
            "occlusion": {"predicted": checks[0], "true": checks[1]},
            "filters": [
                {"filter": k, "turned": float(turned[k]), "right": float(was[k]), "wrong": float(made.contributions[k])}
                for k in strongest
            ],
            "layers": layers,
            "files": stem,
        }
        write_bytes(writer.folder / f"{stem}.png", plots.page(self._page(entry, made, before, after)))
        return entry

    def _layers(self, before: NDArray, after: NDArray) -> tuple[list[dict[str, Any]], dict[str, NDArray]]:
        """Per layer its total change and the filters that changed most; the arrays of all filters."""
        entries: list[dict[str, Any]] = []
        arrays: dict[str, NDArray] = {}
        for name, (right, wrong) in changes.seen(self.observer, [before, after], 2).items():
            changed = changes.change(right, wrong, self.spreads[name])
            arrays |= {f"{name}/right": right, f"{name}/wrong": wrong, f"{name}/change": changed}
            known = bool(np.isfinite(changed).all())
            most = np.argsort(-np.abs(changed), kind="stable")[:PER_LAYER].tolist() if known else []
            filters = [
                {"filter": k, "change": float(changed[k]), "right": float(right[k]), "wrong": float(wrong[k])}
                for k in most
            ]
            entries.append({"layer": name, "change": changes.total(changed) if known else None, "filters": filters})
        return entries, arrays

    def _page(self, entry: dict[str, Any], made: gradcam.Explanation, before: NDArray, after: NDArray) -> plots.Page:
        names, rgb = (entry["predicted_class"], entry["true_class"]), self.writer.pixels.rgb
        was, now = (100 * entry["confidence"][key] for key in ("right", "wrong"))
        difference = entry["difference"]
        return plots.Page(
            f"{entry['set']} {entry['image']}, made: {entry['said']}. {names[0]} {now:.1f}%, wrong: {names[1]}; "
            f"unaltered: {names[1]} {was:.1f}%, right",
            shown(after, rgb),
            self.writer.heats(names, made),
            ("unaltered", shown(before, rgb)),
            f"below: filters of {self.writer.layer} that raised {names[0]} − {names[1]} most, from "
            f"{difference['right']:.2f} to {difference['wrong']:.2f}",
            [self.writer.view(f["filter"], f["turned"]) for f in entry["filters"]],
        )


def explain(
    observer: Observer,
    explainer: gradcam.Explainer,
    writer: Writer,
    found: Mapping[str, Predictions],
    layers: Mapping[str, LayerAnalysis],
    options: AlteredSection,
) -> dict[str, Any]:
    """Write `altered.json`, and of each pair that is shown `altered/`; nothing where nothing is to be tried.

    Returns `altered_images` and `altered_wrong` for metrics.json.
    """
    asked: Mapping[str, Sequence[float]] = options.transforms
    if not options.images or not asked:
        return headline(0, [])
    maker = _Maker(writer, explainer, observer, found, changes.spreads(layers))
    places = search.candidates(found, options.images)
    made = search.flips(places, found, asked, maker.image, maker.explainer.logits)
    chosen = search.telling(made, found, options.shown)
    with progress(len(chosen), "prediction", f"explain altered images of {writer.folder.name}") as bar:
        pairs = []
        for flip in chosen:
            pairs.append(maker.pair(flip))
            bar.update()
    wrong = search.counts(made, asked)
    tried = {name: {"strengths": list(strengths), "wrong": wrong[name]} for name, strengths in asked.items()}
    numbers = {"layer": writer.layer, "images": len(places), "tried": tried, "pairs": pairs}
    write_json(writer.folder / "altered.json", rounded(numbers))
    return headline(len(places), made)


def headline(tried: int, made: Sequence[search.Flip]) -> dict[str, Any]:
    """`altered_images`: right ones that were altered; `altered_wrong`: the share that some transform made wrong."""
    flipped = len({flip.place for flip in made})
    return {"altered_images": tried, "altered_wrong": round(flipped / tried, 6) if tried else None}
