"""Where in an image a classifier's answer comes from, and which filters made it: `cnnviz.explain(model, image)`."""

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

    class_: the explained class, against: the one it is held against (the runner-up of a predicted class, the predicted
    class for any other); image: float32 `(H, W, channels)` in 0..255, as the network saw it; logits, probabilities:
    float32 `(classes,)`; contributions: float64 `(n,)`, each filter's share in the difference of the two logits,
    gradient times activation; activations: float32 `(h, w, n)`, the layer's units; gradients: float32 `(2, h, w, n)`,
    the slopes of both logits by them; windows int32 `(49, 4)` and drops float32 `(49,)`: what covering each window
    costs the class's logit. Some of the filters (`explanation[:5]`, `.of(17)`) explain their own part of the map.
    """

    layer: str
    filters: tuple[int, ...]
    image: NDArray[np.float32]
    class_: int
    against: int
    class_names: tuple[str, ...]
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    contributions: NDArray[np.float64]
    activations: NDArray[np.float32]
    gradients: NDArray[np.float32]
    windows: NDArray[np.int32]
    drops: NDArray[np.float32]

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
        return self.activations * (self.gradients[0] - self.gradients[1])

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

    def _line(self) -> str:
        share = f"{self.class_names[self.class_]} ({self.probabilities[self.class_]:.1%})"
        return f"{share} by {counted(len(self), 'filter')} of {self.layer}, against {self.class_names[self.against]}"

    def _note(self) -> str:
        order = np.argsort(-self.logits, kind="stable")[:CLASSES]
        said = ", ".join(f"{self.class_names[c]} {self.probabilities[c]:.1%}" for c in order)
        found = self.check.correlation
        costs = "" if found is None else f"; correlation of the map with what covering a part costs: {found:.2f}"
        blank = "" if self.map.any() else f"; no place of {self.layer} speaks for this class: the map is 0 everywhere"
        return f"predicted: {said}{costs}{blank}"

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
        difference = f"{self.class_names[self.class_]} minus {self.class_names[self.against]}"
        return [Row("", whole), Row(f"what filters add to the score of {difference}, and where", filters)]

    def _stem(self) -> str:
        return f"{self.layer}_{self.class_names[self.class_]}"

    def _arrays(self) -> dict[str, NDArray]:
        names = ("image", "logits", "probabilities", "contributions", "activations", "gradients", "windows", "drops")
        arrays = {name: getattr(self, name) for name in (*names, "map", "over_image")}
        classes = np.array([self.class_, self.against], np.int32)
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
) -> Explanation:
    """Grad-CAM of a classifier's answer for one image, and each filter's share in it.

    model, preprocessing, size: as `feature_maps` takes them; image: one of what it takes. class_: number or name, the
    predicted one if None. layer: the deepest conv layer whose map has at least 4 x 4 positions if None. class_names: in
    the order of the outputs; a stored model knows its own. Raises InputError, also for a network without a classifier's
    end: a dense layer or an activation over two classes or more.
    """
    of = given.subject(model)
    spec = given.preprocessing(preprocessing, of)
    seen = pixels.alone(pixels.images(image, of, size, "image"), "image")
    traced = of.trace(seen.shape[1:3])
    found, where = _ends(traced, of.name, None if layer is None else given.layer(layer))
    names = _names(class_names, of.stored.get("class_names", ()), found.classes)
    explainer = gradcam.Explainer(traced, found, spec, where)
    predicted, second = (int(c) for c in np.argsort(-explainer.logits(seen)[0], kind="stable")[:2])
    wanted = predicted if class_ is None else _class(class_, names)
    made = explainer.explain(seen[0], (wanted, second if wanted == predicted else predicted))
    return Explanation(
        layer=where,
        filters=tuple(range(made.activations.shape[-1])),
        image=seen[0],
        class_=wanted,
        against=second if wanted == predicted else predicted,
        class_names=names,
        logits=made.logits,
        probabilities=found.probabilities(made.logits[None])[0],
        contributions=made.contributions,
        activations=made.activations,
        gradients=made.gradients,
        windows=made.boxes,
        drops=made.drops[0],
    )


def _ends(traced: Graph, name: str, layer: str | None) -> tuple[Head, str]:
    """A network's classifier head, and the layer to look at."""
    found = head.find(traced)
    if found is None:
        last = traced.calls[-1]
        raise InputError(
            f"model: {name} is no classifier: it ends in {last.name!r} {tuple(last.output.shape)}; "
            "expected a dense layer or a softmax over two classes or more"
        )
    if not traced.convs:
        raise InputError(f"model: {name} has no conv layer")
    where = gradcam.default_layer(traced, list(traced.convs)) if layer is None else layer
    return found, given.conv(traced, where).name


def _names(wanted: Sequence[str] | None, known: Sequence[str], classes: int) -> tuple[str, ...]:
    """Class names, or `class 3`."""
    if wanted is not None:
        strings = not isinstance(wanted, str) and np.iterable(wanted) and all(isinstance(name, str) for name in wanted)
        if not strings or len(wanted) != classes:
            raise InputError(f"class_names: {given.said(wanted)} given; expected a list of {classes} names")
        return tuple(wanted)
    return tuple(known) if len(known) == classes else tuple(f"class {i}" for i in range(classes))


def _class(wanted: int | str, names: Sequence[str]) -> int:
    if isinstance(wanted, str):
        if wanted not in names:
            raise InputError(f"class_: no class {wanted!r}; {choices(wanted, names)}")
        return list(names).index(wanted)
    if given.whole(wanted, "class_", lowest=0) >= len(names):
        raise InputError(f"class_: {wanted} is out of range; there are 0..{len(names) - 1}")
    return int(wanted)
