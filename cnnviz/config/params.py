"""params.yaml as frozen, validated objects. The only reader of params.yaml; knows no TensorFlow."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cnnviz.config.reading import read
from cnnviz.config.schema import Params
from cnnviz.errors import LONGEST, InputError, choices, quoted

# Keys of older versions, and what stands for them now
IN_ITS_BLOCK = "it stands in the model's block now: models.<model>."
MOVED: dict[tuple[Any, ...], str] = {("maximize", name): IN_ITS_BLOCK + name for name in ("layers", "objectives")}
MOVED |= {("analyze", name): IN_ITS_BLOCK + name for name in ("explain", "explained_layer", "labels")}
MOVED[("feature_maps", "channels")] = IN_ITS_BLOCK + "channels"
MOVED[("analyze", "layers")] = IN_ITS_BLOCK + "analyzed_layers"
OF_EACH_SET = "each set has its own now: sets: {mine: {folder: inputs/images/mine, count: all}}"
MOVED |= {("images", name): OF_EACH_SET for name in ("source", "folder")}
_PLAIN = {  # pydantic's words are those of Python
    "model_type": "expected a section: keys with their values",
    "dict_type": "expected a section: names with what they stand for",
    "too_short": "expected at least {min_length}",
    "too_long": "expected at most {max_length}",
}
NEEDED = [name for name, field in Params.model_fields.items() if field.is_required()]


def _valid_keys(place: list[str]) -> list[str]:
    """Return the keys that the section at `place` may have."""
    section: Any = Params
    for part in place:
        section = section.model_fields[part].annotation if part in getattr(section, "model_fields", {}) else section
        for inner in getattr(section, "__args__", ()):  # dict[Key, Model] -> Model
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                section = inner
    return list(getattr(section, "model_fields", {}))


def _place(error: Any, data: Any) -> list[Any]:
    """The keys of params.yaml that lead to an error: pydantic adds markers such as "[key]" to the path."""
    place, value = [], data
    for part in error["loc"]:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            place.append(next(key for key in value if key == part) if isinstance(value, dict) else part)
            value = value[part]
    return place


def _dotted(place: list[Any]) -> str:
    """A place in one line, its parts as they are written, but for long ones and what can't be printed."""
    place = [str(p).lower() if isinstance(p, bool) else p for p in place]
    return ".".join(str(p) if str(p).isprintable() and len(str(p)) <= LONGEST else quoted(p) for p in place)


def _lines(error: Any, data: Any, path: Path) -> list[str]:
    """One pydantic error as `file: path.of.key: given …; expected …`, or all that sections say of their values."""
    place, value = _place(error, data), data
    for part in place:
        value = value[part]
    dotted = _dotted(place)
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = (
        message.replace("a valid integer", "a whole number")
        .replace("a valid ", "a ")
        .replace("greater than or equal to", "at least")
    )
    message = message.replace(", unable to parse string as a number", "")
    message = _PLAIN[error["type"]].format(**error.get("ctx", {})) if error["type"] in _PLAIN else message
    if error["type"] == "extra_forbidden":
        parents = [str(part) for part in place[:-1]]
        now = MOVED.get(tuple(place)) or choices(str(place[-1]), _valid_keys(parents))
        return [f"{path}: {dotted}: unknown key; {now}"]
    if error["type"] == "missing":
        return [f"{path}: {_dotted([*place, error['loc'][-1]])}: missing"]
    if error["type"] == "value_error" and not place:  # what sections say of their values together
        return [f"{path}: {line}" for line in message.splitlines()]
    return [f"{path}: {dotted}: given {quoted(value)}; {message}"]


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises InputError with one line per mistake: file, path of the key, what was given, what is expected.
    """
    path = Path(path)
    data = read(path)
    lines: dict[str, None] = {}
    params = None
    while params is None:  # what is wrong is taken out, so that the rest is checked as well
        try:
            params = Params.model_validate(data)
        except ValidationError as error:
            first, taken = not lines, False
            for item in error.errors():
                missing = item["type"] == "missing"
                for line in _lines(item, data, path) if first or not (missing or _emptied(item)) else ():
                    lines.setdefault(line)
            wrong = [_place(item, data) for item in error.errors() if item["type"] != "missing"]
            for place in {tuple(_in_mappings(data, place)) for place in wrong}:
                taken |= _taken_out(data, list(place))
            if not taken:
                break
    if params is None or lines:
        raise InputError("\n".join(lines))
    return params


def _emptied(item: Any) -> bool:
    """Whether a section is empty because all in it was taken out."""
    return item["type"] == "too_short" and not item["input"]


def _in_mappings(data: Any, place: list[Any]) -> list[Any]:
    """The place of the list that an item stands in, of anything else its own."""
    for depth, part in enumerate(place):
        if not isinstance(data, dict):
            return place[:depth]
        data = data[part]
    return place


def _taken_out(data: dict[str, Any], place: list[Any]) -> bool:
    """Remove the value at `place`, all of whose parents are mappings; False where there is nothing to be removed."""
    for part in place[:-1]:
        if part not in data:  # with a larger part that was wrong, too
            return False
        data = data[part]
    if not place or place[-1] not in data:
        return False
    if len(place) == 1 and place[0] in NEEDED:
        empty: Any = 0 if place[0] == "random_seed" else {}
        if data[place[0]] == empty:
            return False
        data[place[0]] = empty
    else:
        del data[place[-1]]
    return True
