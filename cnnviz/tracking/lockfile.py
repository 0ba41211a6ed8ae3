"""dvc.lock as a list of finished stages. Knows neither MLflow nor numpy, so that reading it costs milliseconds."""

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cnnviz.errors import InputError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENS = re.compile(rb"[\[{]|[-?]\s+[-?]\s")  # a list or mapping in another one, where DVC writes a line each

MANY = 1000  # lists within lists, which a whole dvc.lock has not


@dataclass(frozen=True)
class Out:
    """An output as DVC recorded it. `files` is 1 for a file; `size` is in bytes, of all files together."""

    path: Path
    md5: str
    size: int
    files: int


@dataclass(frozen=True)
class Entry:
    """A stage of dvc.lock.

    `name` is DVC's name (`maximize@vgg16`), `stage` what stands before the @, `model` what stands after it or None.
    `key` is the SHA-256 of the whole entry (command, dependencies, parameters, outputs): two entries with one key are
    the same work on the same input with the same result. `params` are flat: `{"maximize.steps": 256}`. `deps` are the
    digests of what it was made from: code, inputs, outputs of earlier stages, by path.
    """

    name: str
    stage: str
    model: str | None
    key: str
    cmd: str
    params: dict[str, Any]
    outs: tuple[Out, ...]
    deps: dict[str, str] = field(default_factory=dict)

    @property
    def outs_md5(self) -> str:
        return " ".join(out.md5 for out in self.outs)

    def present(self) -> bool:
        """Whether the outputs lie on disk with the recorded size and number of files (no hashing)."""
        return bool(self.outs) and all(_measure(out.path) == (out.size, out.files) for out in self.outs)


class Damaged(InputError):  # noqa: N818
    """A dvc.lock that DVC would not take. reason: why, in a few words."""

    def __init__(self, origin: str, reason: str) -> None:
        super().__init__(f"{origin}: damaged ({reason}); `make repro` takes the last whole one back")
        self.reason = reason


def stages(path: Path = Path("dvc.lock")) -> dict[str, Any]:
    """What a dvc.lock holds, by stage; empty where there is no file. Raises InputError as `parsed` does."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise Damaged(str(path), "no plain file")
        return parsed(path.read_bytes(), str(path))
    except FileNotFoundError:
        return {}


def models(path: Path = Path("params.yaml")) -> list[str]:
    """The models in the order of params.yaml; none where that has no list of them that can be read."""
    try:
        return [str(name) for name in _loaded(path.read_bytes())["models"]]
    except (OSError, yaml.YAMLError, ValueError, TypeError, KeyError):
        return []


def parsed(text: bytes, origin: str) -> dict[str, Any]:
    """What the text of a dvc.lock holds, by stage.

    Raises InputError, one line, where it has the marks of a merge conflict; Damaged where it is damaged, as DVC leaves
    it when it is killed while it writes it.
    """
    if number := conflict(text.decode("latin-1")):
        raise InputError(
            f"{origin}: line {number} is the mark of a merge conflict; keep one side (git checkout --ours "
            "dvc.lock, or --theirs), then: make repro, which makes the rest"
        )
    if not text.strip(b"\0 \n"):
        raise Damaged(origin, "empty")
    try:
        found: dict[str, Any] = _loaded(text).get("stages", {})
        for content in found.values():
            for one in [*content.get("deps", []), *content.get("outs", [])]:
                Path(one["path"])
            for values in content.get("params", {}).values():
                values.items()
    except (yaml.YAMLError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise Damaged(origin, " ".join(str(error).split())[:200]) from None
    return found


def conflict(text: str) -> int | None:
    """The first line that is the mark of a merge conflict, None where none is."""
    mark = re.search(r"^(<{7} |>{7} |={7}\r?$)", text, re.MULTILINE)
    return text.count("\n", 0, mark.start()) + 1 if mark else None


def read(folder: Path = Path()) -> list[Entry]:
    """Return the stages of `<folder>/dvc.lock` that have outputs; an empty list where there is no dvc.lock.

    DVC keeps the entries of models that left params.yaml; these are left out here. Raises InputError as `stages` does.
    """
    models = (_load(folder / "params.yaml") or {}).get("models")
    entries = _entries(stages(folder / "dvc.lock"))
    return [e for e in entries if e.model is None or models is None or e.model in models]


def parse(text: bytes, origin: str) -> list[Entry]:
    """Return the stages with outputs in a dvc.lock's text. Raises InputError, naming `origin`, for any other text."""
    try:
        entries = _entries(parsed(text, origin))
    except Damaged:
        entries = []
    if not entries:
        raise InputError(f"{origin}: expected a dvc.lock with finished stages; found none")
    return entries


def pending(folder: Path = Path()) -> list[str]:
    """Names of values in `<folder>/params.yaml` that its finished stages were not run with: `make repro` is to come."""
    asked, found = _load(folder / "params.yaml") or {}, set()
    for name, content in stages(folder / "dvc.lock").items():
        for key, made in (pair for values in content.get("params", {}).values() for pair in values.items()):
            now: Any = asked
            for part in key.split("."):
                now = now.get(part) if isinstance(now, dict) else None
            if now is not None or "@" not in name:  # a model that is no longer there
                one, other = flatten({key: made}), flatten({key: now})
                found |= {which for which in {*one, *other} if one.get(which) != other.get(which)}
    return sorted(found)


def differences(before: bytes, now: bytes) -> str:
    """In which stages two texts of dvc.lock differ, and why, in words; empty where in none, or where one can't be read.

    A stage that was made from the same and came out otherwise ran on another kind of processor or with other packages.
    """
    try:
        then, here = ((_loaded(text) or {})["stages"] for text in (before, now))
        parts = {name: (_parts(then.get(name)), _parts(here.get(name))) for name in {**here, **then}}
    except (yaml.YAMLError, ValueError, AttributeError, KeyError, TypeError):
        return ""
    outs = {Path(path) for both in parts.values() for _, of in both for path in of}
    made = {str(place) for out in outs for place in (out, *out.parents)}  # also a folder that several write into
    found: dict[str, list[str]] = {}
    for name, ((old, old_outs), (new, new_outs)) in parts.items():
        changed = {what for what in {*old, *new} if old.get(what) != new.get(what)}
        if changed - made:
            found.setdefault("made from other code, params or inputs: {}", []).append(name)
        elif changed:
            found.setdefault("after these: {}", []).append(name)
        elif old_outs != new_outs:
            text = "the same code, params and inputs, but other results (another kind of processor, other packages): {}"
            found.setdefault(text, []).append(name)
    return "; ".join(text.format(some(names)) for text, names in sorted(found.items(), key=lambda x: x[0][0] == "a"))


def some(names: list[str], most: int = 6) -> str:
    """The first few of many names."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _parts(content: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a stage was made from (its command, its params, the digest of each dependency), and its outputs' digests."""
    content = content or {}
    deps, outs = ({one["path"]: one.get("md5") for one in content.get(key, [])} for key in ("deps", "outs"))
    return {"(cmd)": content.get("cmd"), "(params)": content.get("params"), **deps}, outs


def digest(data: Any) -> str:
    """SHA-256 of anything JSON can hold, whatever the order of its keys."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested sections as one level with dotted keys; lists and scalars stay as they are."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _load(path: Path) -> Any:
    try:
        return _loaded(path.read_bytes())
    except FileNotFoundError:
        return None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def _loaded(text: bytes) -> Any:
    """Plain values. Raises yaml.YAMLError, also for thousands in one another, which would crash the reader in C."""
    try:
        return yaml.load(text, yaml.SafeLoader if len(_OPENS.findall(text)) > MANY else _LOADER)  # noqa: S506
    except RecursionError:
        raise yaml.YAMLError("too many lists in one another") from None


def _entries(found: dict[str, Any]) -> list[Entry]:
    return [_entry(name, content) for name, content in found.items() if content.get("outs")]


def _entry(name: str, content: dict[str, Any]) -> Entry:
    stage, _, model = name.partition("@")
    outs = [Out(Path(o["path"]), o.get("md5", ""), o.get("size", 0), o.get("nfiles", 1)) for o in content["outs"]]
    params: dict[str, Any] = {}
    for values in content.get("params", {}).values():
        params |= flatten(values)
    deps = {str(one["path"]): str(one.get("md5", "")) for one in content.get("deps", [])}
    return Entry(name, stage, model or None, digest(content), content.get("cmd", ""), params, tuple(outs), deps)


def _measure(path: Path) -> tuple[int, int]:
    """Size in bytes and number of files."""
    if path.is_file():
        return path.stat().st_size, 1
    sizes = [(Path(top) / file).stat().st_size for top, _, files in os.walk(path) for file in files]
    return sum(sizes), len(sizes)
