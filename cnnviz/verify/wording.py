"""A comparison in words: what differs, by how much, and one sentence to quote. Numbers are rounded away from praise."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

import numpy as np

from cnnviz.verify.comparing import Comparison, Model

ASKED = 3  # parameters that the sentence names
SHOWN = 20  # changed verdicts, and predictions, that are listed; the rest is counted


def lines(found: Comparison, title: str, here: list[str], there: list[str]) -> Iterator[str]:
    """All lines, the sentence to quote last. title: of the other side; here, there: the processors."""
    if found.unlike:
        yield f"not the same: {'; '.join(found.unlike)}. The rest is compared."
    yield f"here:  {' | '.join(here)}"
    yield f"there: {title}: {' | '.join(there) or 'on an unknown processor'}"
    outputs = (("same bytes", found.same), ("other bytes", found.differing))
    for name, paths in (*outputs, ("only here", found.only_here), ("only there", found.only_there)):
        if paths:
            yield f"{name}: {_names(paths)}"
    yield from found.otherwise
    yield from found.notes
    if found.unknown:
        yield f"{_names(found.unknown)}: how far apart is unknown: its files are not here; give another clone"
    for model in found.models:
        yield from _of_model(model)
    yield sentence(found)


def sentence(found: Comparison) -> str:
    """What someone can say about the reproduction."""
    one_sided = len(found.only_here) + len(found.only_there)
    rest = f"; {one_sided} on one side only" if one_sided else ""
    if not found.differing and not found.unlike:
        return f"reproduced: the same bytes ({len(found.same)} outputs){rest}"
    said = [*_maps(found.models), *_pictures(found.models), *_verdicts(found.models), *_predictions(found.models)]
    unknown = _names(found.unknown)
    prefix = f"not the same: {'; '.join(found.unlike)}; the rest " if found.unlike else ""
    if found.unknown and not any(model.maps or model.layers or model.predictions for model in found.models):
        count = f"{len(found.differing)} of {len(found.same) + len(found.differing)} outputs"
        return f"{prefix}not the same bytes: {count}; how far apart is unknown"
    said += [f"unknown of {unknown}"] if unknown else []
    said = said or [f"other bytes in {_names(found.differing)}"]
    what = "made otherwise" if found.otherwise else "reproduced within"
    return f"{prefix}{what}: {', '.join(said)}{rest}{_asked(found)}"


def _asked(found: Comparison) -> str:
    """That one was made with other parameters: then it is no reproduction, however near."""
    more = f", … ({len(found.otherwise)} in all)" if len(found.otherwise) > ASKED else ""
    return f"; other parameters: {'; '.join(found.otherwise[:ASKED])}{more}" if found.otherwise else ""


def _names(paths: Iterable[str]) -> str:
    """Outputs without the folder that they share."""
    return ", ".join(path.partition("/")[2] for path in paths)


def _up(value: float) -> str:
    """At most so large, two significant digits."""
    return f"{float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(Decimal(value))):g}"


def _alike(value: float) -> str:
    """At least so alike, four decimals."""
    return str(Decimal(value).quantize(Decimal("0.0001"), ROUND_FLOOR))


def _of_model(model: Model) -> Iterator[str]:
    apart = [each for each in model.maps or () if each.largest]
    for layer in dict.fromkeys(each.name for each in apart):
        worst = max((each for each in apart if each.name == layer), key=lambda each: each.relative)
        share = f"{_up(worst.relative)} of the layer's largest value ({worst.set})"
        yield f"{model.name} {layer}: feature maps differ by at most {_up(worst.largest)}, {share}"
    layers = model.layers or []
    for one in layers:
        if (one.pixels != 0).any():
            said = _spread([(float(one.alike[i]), str(one.filters[i])) for i in (one.pixels != 0).nonzero()[0]])
            pixels = one.pixels.max()  # one canvas per layer: all are NaN, or none
            apart_by = "of other sizes" if np.isnan(pixels) else f"pixels differ by at most {pixels:.0f} of 255"
            yield f"{model.name} {one.name}: {said}; {apart_by}"
    yield from _robust(model)
    for one in layers:
        changed = (one.verdicts[:, 0] != one.verdicts[:, 1]).nonzero()[0]
        pairs = ((one.filters[i], *one.verdicts[i]) for i in changed)
        yield from _listed(f"{model.name} {one.name}/{k}: {here} here, {there} there" for k, here, there in pairs)
    other_class = (each for each in model.predictions or () if each.changed)
    yield from _listed(f"{model.name} {p.set}/{p.image}: {p.here} here, {p.there} there" for p in other_class)


def _robust(model: Model) -> Iterator[str]:
    layers = model.layers or []
    shares = [(share, f"{one.name}/{k}") for one in layers for share, k in zip(one.robust, one.filters, strict=True)]
    known = [each for each in shares if not np.isnan(each[0])]
    if known and (worst := max(known))[0]:
        median = float(np.median([share for share, _ in known]))
        most = f"at most {_up(100 * worst[0])}% ({worst[1]})"
        yield f"{model.name}: robust scores differ by {_up(100 * median)}% (median), {most}"


def _listed(found: Iterable[str]) -> Iterator[str]:
    every = list(found)
    yield from every[:SHOWN]
    if len(every) > SHOWN:
        yield f"… and {len(every) - SHOWN} more"


def _maps(models: list[Model]) -> Iterator[str]:
    compared = [model for model in models if model.maps is not None]
    worst = max(((each.relative, f"{m.name} {each.name}") for m in compared for each in m.maps or ()), default=(0, ""))
    if worst[0]:
        yield f"feature maps {_up(worst[0])} of a layer's largest value ({worst[1]})"
    elif compared:
        yield "the same feature maps"


def _pictures(models: list[Model]) -> Iterator[str]:
    compared = [model for model in models if model.layers is not None]
    every = [
        (float(value), f"{model.name} {one.name}/{k}", pixels != 0)
        for model in compared
        for one in model.layers or ()
        for value, k, pixels in zip(one.alike, one.filters, one.pixels, strict=True)
    ]
    if alike := [(value, name) for value, name, differs in every if differs]:
        same = len(every) - len(alike)
        yield _spread(alike) + (f" and {same} the same" if same else "")
    elif compared:
        yield "the same pictures of filters"


def _spread(alike: list[tuple[float, str]]) -> str:
    """How alike pictures are, given each value with the name of its picture."""
    known = [each for each in alike if not np.isnan(each[0])]
    rest = f"{len(alike) - len(known)} can't be measured" if len(known) < len(alike) else ""
    if not known:
        return f"pictures: {rest}"
    worst = min(known)
    inner = f"median; worst {_alike(worst[0])}: {worst[1]}{'; ' + rest if rest else ''}"
    return f"pictures {_alike(float(np.median([value for value, _ in known])))} alike ({inner})"


def _verdicts(models: list[Model]) -> Iterator[str]:
    if any(model.layers is not None for model in models):
        verdicts = [pair for model in models for one in model.layers or () for pair in one.verdicts]
        yield _count(sum(here != there for here, there in verdicts), len(verdicts), "verdict")


def _predictions(models: list[Model]) -> Iterator[str]:
    if any(model.predictions is not None for model in models):
        every = [each for model in models for each in model.predictions or ()]
        yield _count(sum(each.changed for each in every), len(every), "prediction")


def _count(changed: int, total: int, what: str) -> str:
    return f"{changed} of {total} {what}s changed" if changed else f"no {what} changed"
