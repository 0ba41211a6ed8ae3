"""What params.yaml says of a network's input, as numbers: `x * scale + offset` for each channel (no TensorFlow)."""

from collections.abc import Mapping
from typing import Any

from cnnviz.errors import InputError, choices, quoted
from cnnviz.sources import catalog

COLOURED = ("caffe", "torch")  # names that are of three channels
FORMS = "a name, {range: [lowest, highest]} or {mean: …, std: …}, each with channel_order: bgr where it is so"
KEYS = {"name", "range", "mean", "std", "scale", "channel_order"}


TINY, HUGE = 1e-12, 1e12  # of factors and offsets: beyond them float32 has no room for what follows


def scaling(given: str | Mapping[str, Any], channels: int) -> dict[str, Any]:
    """`preprocessing` of params.yaml as model.json has it: name, scale and offset of each channel, reverse_channels.

    {range: [-1, 1]} is what 0 and 255 become. {mean, std} are of images in 0..1, as in torchvision:
    (x / 255 - mean) / std; with `scale: 255` of images in 0..255. With `channel_order: bgr` they are in that order.
    Raises InputError.
    """
    spec = {"name": given} if isinstance(given, str) else dict(given)
    if unknown := sorted(map(str, set(spec) - KEYS)):
        raise InputError(f"unknown key {quoted(unknown[0])}; {choices(unknown[0], KEYS)}")
    order = spec.pop("channel_order", "rgb")
    if order not in ("rgb", "bgr"):
        raise InputError(f"channel_order: {quoted(order)} given; expected rgb or bgr")
    if order == "bgr" and channels != 3:
        raise InputError(f"channel_order: bgr is of 3 channels; the network has {channels}")
    kinds = [keys for keys in ({"name"}, {"range"}, {"mean", "std", "scale"}) if keys & set(spec)]
    if len(kinds) != 1:
        raise InputError(f"{quoted(given)} given; expected {FORMS}")
    if "name" in spec:
        return _named(spec["name"], channels, order)
    if "range" in spec:
        low, high = _numbers(spec["range"], 2, "range")
        if not low < high:
            raise InputError(f"range: [{low:g}, {high:g}] given; expected the lowest value first")
        factor, offset, name = [(high - low) / 255] * channels, [low] * channels, f"range {low:g} to {high:g}"
    else:
        factor, offset = _standardized(spec, channels)
        name = "mean and std"
    if not all(TINY <= one <= HUGE for one in factor) or not all(abs(one) <= HUGE for one in offset):
        raise InputError(f"{quoted(given)} given; x in 0..255 would become x * {factor[0]:g} + {offset[0]:g}")
    return {"name": name, "scale": factor, "offset": offset, "reverse_channels": order == "bgr"}


def _named(name: Any, channels: int, order: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in catalog.PREPROCESSING:
        raise InputError(f"unknown {quoted(name)}; {choices(str(name), catalog.PREPROCESSING)}")
    if name in COLOURED and channels != 3:
        raise InputError(f"{name!r} is for RGB images; the network reads {channels} channels")
    found = vars(catalog.PREPROCESSING[name])
    if channels != 3:
        found = {**found, "scale": (found["scale"][0],) * channels, "offset": (found["offset"][0],) * channels}
    return {**found, "reverse_channels": found["reverse_channels"] or order == "bgr"}


def _standardized(spec: Mapping[str, Any], channels: int) -> tuple[list[float], list[float]]:
    (white,) = _numbers(spec.get("scale", 1), 1, "scale")
    mean, std = (_numbers(spec.get(key, base), channels, key) for key, base in (("mean", 0), ("std", 1)))
    if min(std) <= 0 or white <= 0:
        raise InputError(f"std: {quoted(spec.get('std'))}, scale: {white:g} given; expected numbers above 0")
    if white == 1 and max(mean) > 1:
        raise InputError(
            f"mean: {quoted(spec['mean'])} given, of images in 0..1; add `scale: 255` if it is of images in 0..255"
        )
    return [white / (255 * s) for s in std], [-m / s for m, s in zip(mean, std, strict=True)]


def _numbers(given: Any, count: int, key: str) -> list[float]:
    values = given if isinstance(given, list | tuple) else [given] * count
    if len(values) == 1:
        values = list(values) * count
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if len(values) != count or not numbers or not all(abs(v) <= HUGE for v in values):  # nor is NaN
        raise InputError(f"{key}: {quoted(given)} given; expected {count} number{'s' if count > 1 else ''}")
    return [float(v) for v in values]
