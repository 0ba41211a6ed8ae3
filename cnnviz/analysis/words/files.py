"""What every filter tells apart -> the rows of `words.csv` (docs/artifacts.md). No TensorFlow."""

from collections.abc import Mapping
from typing import Any

from cnnviz.analysis.words.responses import Responses
from cnnviz.analysis.words.telling import hypotheses, tell
from cnnviz.images import ImageSet


def classes(images: ImageSet) -> dict[int, str]:
    """What each label of a set is called: as its classes are, else as all its images are, where that is one name."""
    found: dict[int, set[str]] = {}
    for label, name in zip(images.labels.tolist(), images.names.tolist(), strict=True):
        found.setdefault(label, set()).add(name)
    named = {label: next(iter(names)) for label, names in found.items() if len(names) == 1}
    return named | dict(enumerate(images.class_names.tolist()))


def rows(responses: Mapping[str, Mapping[str, Responses]], sets: Mapping[str, ImageSet]) -> list[dict[str, Any]]:
    """A row per filter and set with labels; responses: by layer and set.

    corrected: p times the number of filters of the network that were looked at, and of combinations of classes.
    """
    every = {name for by_set in responses.values() for name in by_set}
    filters = {name: sum(r[name].values.shape[1] for r in responses.values() if name in r) for name in every}
    found = []
    for layer, by_set in responses.items():
        for name, one in by_set.items():
            names = classes(sets[name])
            tested = filters[name] * hypotheses(one.labels)
            for k, told in enumerate(tell(one.values, one.labels)):
                if told is None:
                    continue
                found.append(
                    {
                        "layer": layer,
                        "filter": k,
                        "set": name,
                        "words": told.words(names),
                        "auroc": told.auroc,
                        "p": told.p,
                        "corrected": min(1.0, told.p * tested),
                        "tested": tested,
                        "of": told.images,
                        "images": len(one.labels),
                    }
                )
    return found
