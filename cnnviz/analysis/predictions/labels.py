"""Which class of a network the label of an image is: by name, by number, or as params.yaml says. No TensorFlow."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError, choices
from cnnviz.images import ImageSet

Fit = Literal["same"] | Mapping[int | str, int | str]
UNKNOWN = -1


def plain(name: str) -> str:
    """A class name as it is compared: no WordNet id in front, small letters, blanks for _ and -."""
    return re.sub(r"[\s_-]+", " ", re.sub(r"^n\d{8}[-_ ]", "", name)).strip().lower()


def true_classes(
    one: ImageSet, names: Sequence[str], fit: Fit | None, where: str, known: bool = True
) -> NDArray[np.int32]:
    """The model's class of each image, -1 where its label fits none: `(n,)`.

    known: whether the names are the model's own; numbers that stand for names fit no label by themselves. fit: None:
    labels fit where the set's and the model's class names are equal, see `plain`; where one of them is the only class
    of the model (`cross`, beside `not cross`), the set's others are its opposite; `same`: the set's label numbers are
    the model's; or {label of the set: class of the model}, numbers or names. A set whose classes are called by numbers
    (folders 0 to 42) has these for label numbers, not their places in the list. Raises InputError naming `where` for a
    class or label that is not there.
    """
    labels = [str(name) for name in one.class_names]
    numbers = [int(name) for name in labels] if all(map(_is_number, labels)) else list(range(len(labels)))
    if fit == "same":
        of = np.array([*numbers, UNKNOWN])[one.labels] if numbers else one.labels
        return np.where(of < len(names), of, UNKNOWN).astype(np.int32)
    own = [plain(name) for name in names] if known else []
    found = {}
    if fit is None:
        single = {name: i for i, name in enumerate(own) if own.count(name) == 1}
        found = {i: single[plain(name)] for i, name in enumerate(labels) if plain(name) in single}
        if known and _one_against_all(names) and 1 in found.values():
            found = {i: found.get(i, 0) for i in range(len(labels))}
    for label, wanted in (fit or {}).items():
        number = _label(label, numbers, labels, where)
        target = wanted if isinstance(wanted, int) else _index(wanted, own, f"{where}.{label}")
        if target >= len(names):
            raise InputError(f"{where}.{label}: class {target} is out of range; the model has 0..{len(names) - 1}")
        found[number] = target
    return np.array([found.get(int(label), UNKNOWN) for label in one.labels], np.int32)


def ambiguous(one: ImageSet, names: Sequence[str]) -> list[str]:
    """The labels of a set that are the name of several classes of the model, so that no class is theirs."""
    own = [plain(name) for name in names]
    return [str(name) for name in one.class_names if own.count(plain(str(name))) > 1]


def opposites(one: ImageSet, names: Sequence[str]) -> list[str]:
    """The labels of a set that count as the opposite of the only class that a model has."""
    if not _one_against_all(names):
        return []
    labels = [str(name) for name in one.class_names]
    others = [name for name in labels if plain(name) not in map(plain, names)]
    return others if any(plain(name) == plain(names[1]) for name in labels) else []


def _one_against_all(names: Sequence[str]) -> bool:
    return len(names) == 2 and names[0] == f"not {names[1]}"


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _label(label: int | str, numbers: list[int], labels: list[str], where: str) -> int:
    """The place of a label, a number or a name, among the set's classes; the number itself where they have no names."""
    if isinstance(label, int) and labels:
        if label not in numbers:
            raise InputError(f"{where}: no label {label}; {choices(str(label), labels)}")
        return numbers.index(label)
    return label if isinstance(label, int) else _index(label, [plain(name) for name in labels], where)


def _index(name: str, names: list[str], where: str) -> int:
    if plain(name) not in names:
        raise InputError(f"{where}: no class {name!r}; {choices(plain(name), names) if names else 'it has no names'}")
    return names.index(plain(name))
