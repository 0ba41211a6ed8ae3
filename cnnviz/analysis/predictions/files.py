"""Predictions and their explanations -> files of `artifacts/analysis/<model>/` (docs/artifacts.md). No TensorFlow."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import files
from cnnviz.analysis.predictions import outputs, plots
from cnnviz.analysis.predictions.outputs import Found, Values
from cnnviz.files import npz, write_bytes, write_csv, write_json

if TYPE_CHECKING:
    from cnnviz.analysis.causes import Decision
    from cnnviz.analysis.predictions.gradcam import Explanation

FILTERS = 6  # named for each explained prediction


def strongest(made: "Explanation") -> list[int]:
    """The filters of the largest contribution."""
    return [int(k) for k in np.argsort(-made.contributions, kind="stable")[:FILTERS]]


@dataclass
class Writer:
    """One model. kind: of its answer; found: per image set; names: of the classes, labels or values.

    layer: whose filters explain, if any; folder: of the analysis; rendered: maximized images of that layer by filter;
    examples: its `examples/<layer>.npz`.
    """

    folder: Path
    pixels: files.Pixels
    kind: str
    names: Sequence[str]
    found: Found
    layer: str | None
    rendered: Mapping[int, NDArray[np.uint8]]
    examples: dict[str, NDArray]

    def seen(self, name: str, i: int) -> NDArray[np.uint8]:
        """As the network sees it."""
        return self.pixels.seen(int(self.pixels.starts[self.pixels.names.index(name)]) + i)

    def image(self, name: str, i: int) -> NDArray[np.uint8]:
        """The same as RGB."""
        return self.pixels[int(self.pixels.starts[self.pixels.names.index(name)]) + i]

    def row(self, name: str, i: int) -> dict[str, Any]:
        """One row of predictions.csv."""
        one = self.found[name]
        found = {"set": name, "image": i, "name": str(self.pixels.sets[name].names[i])}
        if isinstance(one, Values):
            return found | self._values(one, i)
        if not one.finite[i]:
            names = ("predicted", "confidence", "true", "true_class", "right", "runner_up", "runner_up_class", "margin")
            return found | {"predicted": None, "predicted_class": "not a number"} | dict.fromkeys(names)
        top, second, true = int(one.predicted[i]), int(one.runner_up[i]), int(one.true[i])
        return found | {
            "predicted": top,
            "predicted_class": self.names[top],
            "confidence": float(one.confidence[i]),
            "true": true if true >= 0 else None,
            "true_class": self.names[true] if true >= 0 else None,
            "right": bool(one.right[i]) if true >= 0 else None,
            "runner_up": second,
            "runner_up_class": self.names[second],
            "margin": float(one.logits[i, top] - one.logits[i, second]),
        }

    def _values(self, one: Values, i: int) -> dict[str, Any]:
        """The value that departs most from its mean, and all of them where there are more."""
        k, finite = int(one.predicted[i]), bool(one.finite[i])
        every = dict(zip(self.names, one.logits[i].tolist(), strict=True)) if len(self.names) > 1 else {}
        return {
            "predicted": k,
            "predicted_class": self.names[k],
            "value": float(one.logits[i, k]) if finite else None,
            "departure": float(one.departures[i, k]) if finite else None,
        } | {name: value if finite else None for name, value in every.items()}

    def table(self) -> None:
        """predictions.csv, predictions.npz and predictions.png."""
        order = outputs.order(self.found)
        rows = [self.row(*place) for place in order]
        write_csv(self.folder / "predictions.csv", rows)
        arrays = {"class_names": np.array(self.names)}
        for name, one in self.found.items():
            if isinstance(one, Values):
                arrays[f"{name}/values"] = one.logits
                continue
            arrays |= {f"{name}/logits": one.logits, f"{name}/probabilities": one.probabilities}
            arrays[f"{name}/true"] = one.true
        write_bytes(self.folder / "predictions.npz", npz.pack(arrays, compress=True))
        shown = order[: plots.SHEET]
        images = [self.image(*place) for place in shown]
        picture = plots.sheet(images, [_lines(row) for row in rows[: len(shown)]])
        write_bytes(self.folder / "predictions.png", picture)

    def explained(self, name: str, i: int, made: "Explanation", decided: "Decision") -> dict[str, Any]:
        """`predictions/<set>_<image>.npz` and `.png`; returns the entry of predictions.json."""
        one, contrast = self.found[name], self.found[name].contrast(i)
        top, (other, kind) = int(one.predicted[i]), contrast or (None, "")
        against = float(made.logits[other]) if other is not None else None
        near = outputs.nearest(self.found, (name, i), made.features)
        checks = [asdict(each) for each in made.checks]
        difference = float(made.logits[top]) - (against or 0.0)
        stem = f"{name}_{i}"
        arrays: dict[str, NDArray] = {
            "classes": np.array([top] if other is None else [top, other], np.int32),
            "gradcam": made.maps,
            "gradcam_over_image": made.over_image,
            "windows": made.boxes,
            "drops": made.drops,
            "contributions": made.contributions,
        }
        write_bytes(self.folder / "predictions" / f"{stem}.npz", npz.pack(arrays, compress=True))
        entry = self.row(name, i) | {
            "contrast": None if other is None else {"class": other, "name": self.names[other], "kind": kind},
            "logits": {"predicted": float(made.logits[top]), "contrast": against},
            "occlusion": {"predicted": checks[0], "contrast": checks[1]},
            "filters": [
                {"filter": k, "contribution": float(made.contributions[k]), "drop": drop, "drop_at_mean": at_mean}
                for k, drop, at_mean in zip(
                    strongest(made), decided.drops.tolist(), decided.at_mean.tolist(), strict=True
                )
            ],
            "silenced": self._silenced(made, decided),
            "contributions": {"sum": float(made.contributions.sum()), "difference": difference},
            "nearest": self._near(near) if near else None,
            "files": f"predictions/{stem}",
        }
        write_bytes(self.folder / "predictions" / f"{stem}.png", plots.page(self._page(entry, made)))
        return entry

    def _silenced(self, made: "Explanation", decided: "Decision") -> dict[str, Any]:
        """The lead without the filters named; `then`: the class of the highest logit, where there are classes."""
        return {
            "predicted": float(made.contributions[strongest(made)].sum()),
            "measured": decided.together,
            "random": decided.random,
            "then": None if self.kind == "regression" else self.names[decided.then],
        }

    def _near(self, near: outputs.Nearest) -> dict[str, Any]:
        true = int(self.found[near.set].true[near.image])
        return asdict(near) | {"class": true, "name": self.names[true]}

    def _page(self, entry: dict[str, Any], made: "Explanation") -> plots.Page:
        first, contrast = entry["predicted_class"], entry["contrast"]
        names = (first, contrast["name"]) if contrast else (f"for {first}", f"against {first}")
        near = entry["nearest"]
        title = f"nearest right: {near['name']}\ncosine {near['similarity']:.2f}" if near else ""
        gap = f"{f'{names[0]} − {names[1]}' if contrast else first} = {entry['contributions']['difference']:.2f}"
        scores = "the difference of logits" if contrast else "the value" if self.kind == "regression" else "the logit"
        kind = {"true": "the true class", "runner-up": "the runner-up"}[contrast["kind"]] if contrast else ""
        views = [self.view(f["filter"], f["contribution"]) for f in entry["filters"]]
        return plots.Page(
            f"{entry['set']} {entry['image']}: {', '.join(filter(None, _lines(entry)))}"
            + (f"; held against {names[1]} ({kind})" if contrast else ""),
            self.image(entry["set"], entry["image"]),
            self.heats(names, made),
            (title, self.image(near["set"], near["image"])) if near else None,
            f"below: filters of {self.layer} that contribute most to {scores}, {gap}",
            views,
            self.kind != "regression",
        )

    @staticmethod
    def heats(names: tuple[str, str], made: "Explanation") -> list[tuple[str, NDArray]]:
        """Titles and maps `(H, W)`: Grad-CAM of both classes, then what covering the image costs each of them."""
        found: list[tuple[str, NDArray]] = [
            (f"Grad-CAM: {name}", cam) for name, cam in zip(names, made.over_image, strict=True)
        ]
        for name, drops, checked in zip(names, made.drops, made.checks, strict=True):
            r = checked.correlation
            title = f"occlusion: {name}\nr = {r:.2f}" if r is not None else f"occlusion: {name}"
            found.append((title, outputs.covered(made.boxes, np.maximum(drops, 0), made.over_image.shape[1:])))
        return found

    def view(self, k: int, contribution: float) -> plots.FilterView:
        patches = files.top_patches(self.examples, k, 1, self.pixels) if self.examples else []
        title = f"filter {k}: {contribution:+.2f}"
        return plots.FilterView(title, self.rendered.get(k), patches[0] if patches else None)

    def summary(self, entries: list[dict[str, Any]]) -> None:
        """predictions.json."""
        sets = {
            name: {
                "images": len(one.logits),
                "labelled": int(one.labelled.sum()),
                "right": int(one.right.sum()),
                "wrong": int(one.wrong.sum()),
            }
            for name, one in self.found.items()
        }
        head = {"kind": self.kind, "class_names": list(self.names), "layer": self.layer}
        numbers = head | outputs.headline(self.found) | {"sets": sets, "explained": entries}
        write_json(self.folder / "predictions.json", rounded(numbers))


def _lines(row: Mapping[str, Any]) -> tuple[str, str]:
    if "value" in row:
        value = "not a number" if row["value"] is None else f"{row['value']:.4g}"
        return f"{row['predicted_class']} {value}", ""
    if row["predicted"] is None:
        return str(row["predicted_class"]), ""
    said = f"{row['predicted_class']} {100 * row['confidence']:.1f}%"
    if row["right"] is None:
        return said, "no label that fits"
    return said, "right" if row["right"] else f"wrong: {row['true_class']}"


def rounded(value: Any) -> Any:
    """Floats with 6 significant digits, as in the tables; None for those that are not finite."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None
