"""Where in an image a network's answer comes from, and which filters made it: `cnnviz.explain(model, image)`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cnnviz.analysis import gradcam
from cnnviz.errors import InputError, choices
from cnnviz.networks import Graph, Head, head
from cnnviz.notebook import given, pixels
from cnnviz.notebook.display import MOST, Several, counted
from cnnviz.notebook.tiles import Row, Tile, as_picture
from cnnviz.pictures import over

FILTERS = 6  # shown: those that speak most for the class
CLASSES = 3  # named in the caption


@dataclass(frozen=True, repr=False, eq=False)
class Explanation(Several):
    """Grad-CAM of one class for one image, by n filters of a layer.

    kind: of the answer: classes, binary, labels or regression; class_: the explained class, label or value; against:
    the class it is held against (the runner-up of a predicted class, the predicted class for any other), None for a
    label or a value, which is explained by itself; image: float32 `(H, W, channels)` in 0..255, as the network saw it;
    logits, probabilities: float32 `(classes,)`, the values themselves of a regression; contributions: float64 `(n,)`,
    each filter's share in the difference of the two logits, gradient times activation; activations: float32
    `(h, w, n)`, the layer's units; gradients: float32 `(2, h, w, n)`, the slopes of both logits by them (of the one,
    and the same turned round); windows int32 `(49, 4)` and drops float32 `(49,)`: what covering each window costs the
    class's logit; notes: what else has to be known. Some of the filters (`explanation[:5]`, `.of(17)`) explain their
    own part of the map.
    """

    layer: str
    filters: tuple[int, ...]
    image: NDArray[np.float32]
    class_: int
    against: int | None
    class_names: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    contributions: NDArray[np.float64]
    activations: NDArray[np.float32]
    gradients: NDArray[np.float32]
    windows: NDArray[np.int32]
    drops: NDArray[np.float32]
    kind: str = "classes"
    notes: tuple[str, ...] = ()

    @property
    def map(self) -> NDArray[np.float32]:
        """Grad-CAM `(h, w)`, not negative, larger where the class comes from."""
        return np.asarray(gradcam.gradcam(self.activations, self.gradients[0]), np.float32)

    @property
    def over_image(self) -> NDArray[np.float32]:
        """The same at the image's size, `(H, W)`."""
        height, width = self.image.shape[:2]
        return gradcam.stretch(self.map, (height, width))

    @property
    def places(self) -> NDArray[np.float32]:
        """Where each filter's contribution comes from, `(h, w, n)`: its sum over the positions is `contributions`."""
        return self.activations * (self.gradients[0] - (0 if self.against is None else self.gradients[1]))

    @property
    def check(self) -> gradcam.Check:
        """Whether covering what the map points at costs the class its score: correlation and drops."""
        return gradcam.check(self.over_image, self.windows, self.drops)

    def _take(self, rows: NDArray[np.intp]) -> Self:
        return replace(
            self,
            filters=tuple(self.filters[i] for i in rows),
            contributions=self.contributions[rows],
            activations=self.activations[..., rows],
            gradients=self.gradients[..., rows],
        )

    def _said(self, c: int) -> str:
        if self.kind == "regression":
            return f"{self.class_names[c]} {self.logits[c]:.4g}"
        return f"{self.class_names[c]} {self.probabilities[c]:.1%}"

    def _line(self) -> str:
        against = "" if self.against is None else f", against {self.class_names[self.against]}"
        said = self._said(self.class_)
        share = said if self.kind == "regression" else f"{self.class_names[self.class_]} ({said.split()[-1]})"
        return f"{share} by {counted(len(self), 'filter')} of {self.layer}{against}"

    def _note(self) -> str:
        order = [self.class_] if self.kind == "regression" else np.argsort(-self.logits, kind="stable")[:CLASSES]
        said = ", ".join(self._said(c) for c in order)
        found = self.check.correlation
        costs = "" if found is None else f"; correlation of the map with what covering a part costs: {found:.2f}"
        what = "value" if self.kind == "regression" else "class" if self.kind != "labels" else "label"
        blank = "" if self.map.any() else f"; no place of {self.layer} speaks for this {what}: the map is 0 everywhere"
        begin = {"regression": "value", "labels": "labels, each by itself"}.get(self.kind, "predicted")
        return "; ".join([f"{begin}: {said}{costs}{blank}", *self.notes])

    def _rows(self, most: int = MOST) -> list[Row]:
        seen = as_picture(np.rint(self.image).astype(np.uint8))
        if seen.shape[:2] != self.image.shape[:2]:  # neither grey nor RGB
            seen = as_picture(np.rint(self.image.mean(-1, keepdims=True)).astype(np.uint8))
        name = f"{self.layer}_{self.class_names[self.class_]}"
        size = (seen.shape[0], seen.shape[1])
        whole = [Tile(seen, f"{name}_image", "image"), Tile(over(seen, self.over_image), f"{name}_gradcam", "Grad-CAM")]
        filters = [
            Tile(
                over(seen, gradcam.stretch(self.places[..., i], size)),
                f"{name}_{self.filters[i]}",
                f"filter {self.filters[i]}",
                [f"{self.contributions[i]:+.3g}"],
            )
            for i in np.argsort(-self.contributions, kind="stable")[:FILTERS]
        ]
        difference = self.class_names[self.class_]
        difference += "" if self.against is None else f" minus {self.class_names[self.against]}"
        return [Row("", whole), Row(f"what filters add to the score of {difference}, and where", filters)]

    def _stem(self) -> str:
        return f"{self.layer}_{self.class_names[self.class_]}"

    def _arrays(self) -> dict[str, NDArray]:
        names = ("image", "logits", "probabilities", "contributions", "activations", "gradients", "windows", "drops")
        arrays = {name: getattr(self, name) for name in (*names, "map", "over_image")}
        classes = np.array([self.class_] if self.against is None else [self.class_, self.against], np.int32)
        return {"filters": np.array(self.filters, np.int32), "classes": classes, **arrays}


def explain(
    model: given.Model,
    image: Any,
    class_: int | str | None = None,
    *,
    preprocessing: given.Preprocessing | None = None,
    size: int | None = None,
    layer: str | None = None,
    class_names: Sequence[str] | None = None,
    output: str | None = None,
) -> Explanation:
    """Grad-CAM of a network's answer for one image, and each filter's share in it.

    model, preprocessing, size: as `feature_maps` takes them; image: one of what it takes. class_: number or name of a
    class, label or value; if None the predicted class, the highest label, the first value. layer: the deepest conv
    layer on the way to the answer whose map has at least 4 x 4 positions if None. class_names: in the order of the
    outputs; output: the name of the layer that answers, where a network has several outputs; a stored model knows both.
    Raises InputError, also for a network that gives neither classes nor values.
    """
    of = given.subject(model)
    spec = given.preprocessing(preprocessing, of)
    seen = pixels.alone(pixels.images(image, of, size, "image"), "image")
    traced = of.trace(seen.shape[1:3])
    found, where = _ends(traced, of, None if layer is None else given.layer(layer), class_names, output)
    explainer = gradcam.Explainer(traced, found, spec, where)
    scores, broken = explainer.logits(seen)[0], _broken(traced)
    if not np.isfinite(scores).all():
        reason = f": {broken}" if broken else ""
        raise InputError(f"model: {of.name}: its answer for this image is not a number{reason}")
    order = [int(c) for c in np.argsort(-scores, kind="stable")]
    likeliest = 0 if found.kind == "regression" else order[0]
    wanted = likeliest if class_ is None else _class(class_, found.names)
    other = None if found.kind in ("labels", "regression") else order[1] if wanted == likeliest else likeliest
    made = explainer.explain(seen[0], (wanted, other))
    return Explanation(
        layer=where,
        filters=tuple(range(made.activations.shape[-1])),
        image=seen[0],
        class_=wanted,
        against=other,
        class_names=found.names,
        logits=made.logits,
        probabilities=found.probabilities(made.logits[None])[0],
        contributions=made.contributions,
        activations=made.activations,
        gradients=made.gradients,
        windows=made.boxes,
        drops=made.drops[0],
        kind=found.kind,
        notes=(broken,) if broken else (),
    )


def _ends(traced: Graph, of: given.Subject, layer: str | None, names: Any, output: str | None) -> tuple[Head, str]:
    """A network's answer, and the layer to look at."""
    if names is not None:
        strings = not isinstance(names, str) and np.iterable(names) and all(isinstance(name, str) for name in names)
        if not strings:
            raise InputError(f"class_names: {given.said(names)} given; expected a list of names")
    elif not output or output == of.stored.get("head", {}).get("output"):
        names = of.stored.get("class_names")
    output = output or of.stored.get("head", {}).get("output")
    found = head.find(traced, list(names or ()), output, "explain")
    if not found.answers:
        raise InputError(f"model: {of.name} gives no classes and no values: {found.why}")
    if not traced.convs:
        raise InputError(f"model: {of.name} has no conv layer")
    where = gradcam.default_layer(traced, list(traced.convs), found) if layer is None else layer
    if where is None:
        raise InputError(f"model: {of.name}: the output {found.output!r} depends on no conv layer")
    return found, given.conv(traced, where).name


def _broken(traced: Graph) -> str:
    """Which layers have weights that are no numbers."""
    broken = [
        call.name
        for call in traced.calls
        if any(not np.isfinite(w.numpy()).all() for w in getattr(call.layer, "weights", ()))
    ]
    return f"weights of {', '.join(map(repr, broken))} hold NaN or infinity" if broken else ""


def _class(wanted: int | str, names: Sequence[str]) -> int:
    if isinstance(wanted, str):
        if wanted not in names:
            raise InputError(f"class_: no class {wanted!r}; {choices(wanted, names)}")
        return list(names).index(wanted)
    if given.whole(wanted, "class_", lowest=0) >= len(names):
        raise InputError(f"class_: {wanted} is out of range; there are 0..{len(names) - 1}")
    return int(wanted)
