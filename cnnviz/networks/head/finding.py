"""Which of a network's outputs is its answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import keras

from cnnviz.errors import InputError, choices
from cnnviz.networks.graph import Graph
from cnnviz.networks.head import ends
from cnnviz.networks.head.ends import SOFTMAX
from cnnviz.networks.head.kinds import Head, describe

NAMED = ("classes", "binary", "labels")


def find(
    graph: Graph, class_names: Sequence[str] = (), output: str | None = None, where: str = "", key: str = ""
) -> Head:
    """The head of a network: the output that is named, else the classifier among its outputs, else the first of them.

    class_names: as the user gives them, none where unknown; where: what an error begins with; key: what `output` is
    called where the user may name one. Raises InputError for an output that is not there, and for a number of class
    names that does not fit.
    """
    begin = f"{where}." if where.startswith("params") else f"{where}: " if where else ""
    if not graph.outputs:
        return Head("none", None, "its end was not reached")
    names = [_name(graph, tensor) for tensor in graph.outputs]
    if output is not None:
        place = _place(graph, names, output)
        if place is None:
            raise InputError(f"{begin}output: {output!r} is no output of the network; {choices(output, names)}")
        chosen = describe(graph.outputs[place], names[place], class_names, graph.input)
        chosen = replace(chosen, why=f"{chosen.why}; named by `output`")
    else:
        every = [describe(t, n, class_names, graph.input) for t, n in zip(graph.outputs, names, strict=True)]
        chosen = _choose(every, class_names, key)
        _no_other(chosen, every, class_names, begin)
    _check(chosen, class_names, begin)
    return chosen


def stored(graph: Graph, described: Mapping[str, Any]) -> Head:
    """The head that model.json names."""
    return find(graph, described.get("class_names", ()), described.get("head", {}).get("output"))


def _name(graph: Graph, tensor: Any) -> str:
    for call in graph.calls:
        if any(one is tensor for one in keras.tree.flatten(call.output)):
            return str(call.name)
    return str(ends.made_by(tensor)[0].name)


def _place(graph: Graph, names: list[str], output: str) -> int | None:
    """Which output is called so: by its layer here, or as Keras's `output_names` has it (a nested model's name)."""
    for known in (names, graph.output_names):
        if output in known and len(known) == len(names):
            return known.index(output)
    return None


def _choose_picture(pictures: list[Head]) -> Head:
    """One that the class names fit, else the largest: smaller ones are there for training only (deep supervision)."""
    known = [head for head in pictures if head.known] or pictures
    return max(known, key=lambda head: prod(side or 0 for side in head.tensor.shape[1:3]))


def _choose(every: list[Head], class_names: Sequence[str], key: str) -> Head:
    if len(every) == 1:
        return every[0]
    real = [head for head in every if head.kind in NAMED and not head.assumed]
    maps = [head for head in every if head.ends_in in SOFTMAX and head.kind == "pictures" and head.known]
    named = real or ([] if any(not head.assumed for head in maps) else [h for h in every if h.kind in NAMED])
    fitting = [head for head in named if head.known]  # a number of names makes no classifier where there is one
    like = fitting or named
    classes = [head for head in like if head.kind == "classes"]
    rest = maps or [head for head in every if head.kind != "none"]
    taken = (classes or like or rest or every)[0]
    pictures = [head for head in rest if head.kind == "pictures"]
    if taken.kind == "pictures":
        taken = _choose_picture(pictures)
    others = ", ".join(repr(head.output) for head in every if head is not taken)
    alone = len(classes or like) == 1
    reason = (
        "the one that the class_names fit"
        if len(fitting if like else maps) == 1
        else f"the one {'softmax' if classes else 'classifier'}"
        if alone
        else "the largest picture"
        if taken.kind == "pictures" and len(pictures) > 1 and not maps
        else f"the first {'classifier' if like else 'one'}"
    )
    advice = f"; {key} names another" if key else ""
    return replace(taken, why=f"{taken.why}; taken as {reason} of {len(every)} outputs (others: {others}){advice}")


def _no_other(chosen: Head, every: list[Head], class_names: Sequence[str], begin: str) -> None:
    """Raise InputError for class names that fit no classifier, but an output that nothing else makes one."""
    fitting = [head.output for head in every if head.assumed and head.known]
    if class_names and fitting and chosen.kind in NAMED and not chosen.known:
        raise InputError(
            f"{begin}class_names: {len(class_names)} given ({_short(class_names)}), but {_counted(chosen)}, which ends "
            f"in {chosen.ends_in}; expected as many, or `output:` {' or '.join(map(repr, fitting))}, which they would "
            f"fit (outputs: {', '.join(str(head.output) for head in every)})"
        )


def _counted(head: Head) -> str:
    return f"the output {head.output!r} has {len(head.names) if head.kind != 'binary' else 1}"


def _check(head: Head, class_names: Sequence[str], begin: str) -> None:
    given = len(class_names)
    if not given or head.known or head.kind in ("pictures", "none"):
        return
    count = len(head.names)
    expected = {"binary": "2, or 1 for the class of high values"}.get(head.kind, str(count))
    if head.kind == "regression":
        expected = f"{count}, or none: it ends in values, not in classes" if count > 1 else "2 for two classes, or none"
    raise InputError(
        f"{begin}class_names: {given} given ({_short(class_names)}), but {_counted(head)}; expected {expected}"
    )


def _short(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
