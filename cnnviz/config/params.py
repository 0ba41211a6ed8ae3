"""params.yaml as frozen, validated objects. The only reader of params.yaml; knows no TensorFlow."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cnnviz.config.schema import Params
from cnnviz.errors import InputError, choices


def _valid_keys(place: list[str]) -> list[str]:
    """Return the keys that the section at `place` may have."""
    section: Any = Params
    for part in place:
        section = section.model_fields[part].annotation if part in getattr(section, "model_fields", {}) else section
        for inner in getattr(section, "__args__", ()):  # dict[Key, Model] -> Model
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                section = inner
    return list(getattr(section, "model_fields", {}))


def _line(error: Any, data: Any, path: Path) -> str:
    """One pydantic error as `file: path.of.key: given …; expected …`."""
    place, value = [], data
    for part in error["loc"]:  # pydantic adds markers such as "[key]" to the path; keep what stands in the file
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            place.append(str(part))
            value = value[part]
    dotted = ".".join(place)
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message = (
        message.replace("a valid integer", "a whole number")
        .replace("a valid ", "a ")
        .replace("greater than or equal to", "at least")
    )
    message = message.replace(", unable to parse string as a number", "")
    if error["type"] == "extra_forbidden":
        return f"{path}: {dotted}: unknown key; {choices(place[-1], _valid_keys(place[:-1]))}"
    if error["type"] == "missing":
        return f"{path}: {'.'.join([*place, str(error['loc'][-1])])}: missing"
    if error["type"] == "value_error" and isinstance(value, dict):  # a section's own check names the key inside it
        joint = ": " if message.startswith("expected") else "."
        return f"{path}: {dotted}{joint if dotted else ''}{message}"
    return f"{path}: {dotted}: given {value!r}; {message}"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice (YAML would silently keep the last)."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(k, deep=True) for k, _ in node.value]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: the key {key!r} is there twice")
        return super().construct_mapping(node, deep)


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises InputError with one line per mistake: file, path of the key, what was given, what is expected.
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; run this in the project's folder") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected sections such as `models:`, got {type(data).__name__}")
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        lines: dict[str, None] = {}
        for item in error.errors():
            lines.setdefault(_line(item, data, path))
        raise InputError("\n".join(lines)) from error
