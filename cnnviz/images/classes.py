"""Which class each image of a folder belongs to, by its sub-folder or by the labels in its file of arrays."""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import InputError
from cnnviz.images.listing import Listing, said
from cnnviz.images.stacks import Stack

MOST_NUMBERS = 100_000  # larger label numbers are no classes that names would be made for


def classes(listing: Listing, files: dict[Path, Stack], notes: list[str]) -> tuple[dict[Path, NDArray], list[str]]:
    """Labels of the images of each file of arrays that has some, and the class names of the set.

    Of labels that are numbers without names, the numbers are the names. notes: gets what was assumed. Raises
    InputError where labels are of two kinds, where their class names differ, and for a label that has no name.
    """
    labelled = {path: (stack, stack.labels) for path, stack in files.items() if stack.labels is not None}
    if listing.classes:
        if labelled:
            notes.append(f"labels in {len(labelled)} files were left out: their folders say which class they are")
        return {}, [said(name) for name in listing.classes]
    labels = {path: own for path, (_, own) in labelled.items()}
    kinds = Counter(own.dtype.kind == "U" for own in labels.values())
    if len(kinds) > 1:
        raise InputError(f"{said(next(iter(labels)))}: labels are names in some files, numbers in others; use one")
    if kinds.get(True):
        names = sorted({str(name) for one in labels.values() for name in one})
        return {path: np.searchsorted(names, one).astype(np.int32) for path, one in labels.items()}, names
    stated = {stack.class_names: path for path, (stack, _) in labelled.items() if stack.class_names}
    if len(stated) > 1:
        one, other = list(stated.values())[:2]
        raise InputError(f"{said(one)} and {said(other)}: their class_names differ; use one list for all")
    most = {path: int(own.max()) if own.size else -1 for path, own in labels.items()}
    highest = max(most, key=lambda path: most[path], default=None)
    if highest is None or most[highest] < 0:
        return labels, list(next(iter(stated), ()))
    if not stated:
        return labels, [str(i) for i in range(most[highest] + 1)] if most[highest] < MOST_NUMBERS else []
    named = list(next(iter(stated)))
    if most[highest] >= len(named):
        raise InputError(
            f"{said(highest)}: a label {most[highest]}, class_names has {len(named)}, for 0..{len(named) - 1}; "
            "expected a name for each, and -1 where unknown"
        )
    return labels, named
