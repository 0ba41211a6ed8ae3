"""The text of params.yaml -> plain values, of which every reader makes the same; anything else is refused in a line.

DVC reads the file by YAML 1.2, PyYAML by 1.1: `010` is ten to one and eight to the other.
"""

import re
import stat
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML  # DVC's reader
from yaml.reader import ReaderError

from cnnviz.errors import InputError, quoted
from cnnviz.tracking import lockfile

LARGEST = 1_000_000  # bytes
DEEPEST = 16  # sections and lists in one another
PLAIN = (str, int, float, bool, type(None))
HALF = re.compile("[\ud800-\udfff]")
AGREE = "numbers as 8 or 0.5, yes and no as true and false, text in quotes"


def read(path: Path, empty: bool = False) -> dict[str, Any]:
    """Read a file of sections; empty: which may have none. Raises InputError, one line, for any other."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise InputError(f"{path}: {what}; expected a file of sections such as `models:`")
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: over {LARGEST // 10**6} MB; expected a file of sections such as `models:`")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{path}: not found; run this in the project's folder") from error
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not valid YAML: {error.reason} at byte {error.start}; save it as UTF-8") from error
    return parse(text, str(path), empty)


def parse(text: str, name: str, empty: bool = False) -> dict[str, Any]:
    """The values in a text, which may be `empty`; name: of its file, for lines of errors."""
    if line := lockfile.conflict(text):
        raise InputError(f"{name}: line {line} is the mark of a merge conflict; leave the lines of one side, no mark")
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{name}: line {line}: the character {_character(error)}; remove it") from error
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not valid YAML: {_said(error)}") from error
    if data is None and empty:
        return {}
    if not isinstance(data, dict):
        raise InputError(f"{name}: expected sections such as `models:`, got {type(data).__name__}")
    try:
        same = YAML(typ="safe").load(text)
    except Exception as error:  # it raises what its parts do
        said = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{name}: not valid YAML, as DVC reads it (1.2): {said[:160]}") from error
    agreed: dict[str, Any] = _agreed(data, same, name)
    for key in agreed:
        if not isinstance(key, str):
            raise InputError(f"{name}: the key {quoted(key)}; expected a section such as `models:`")
    return agreed


def _character(error: ReaderError) -> str:
    """The one that YAML does not take."""
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return f"U+{code:04X}, which YAML does not take"


def _said(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without the excerpt of the file."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    parts = [part for part in (getattr(error, "problem", None), getattr(error, "context", None)) if part]
    said = "; ".join(" ".join(part.split())[:120] for part in parts) or " ".join(str(error).split())[:240]
    return f"line {mark.line + 1}: {said}" if mark else said


def _agreed(one: Any, other: Any, place: str) -> Any:
    """What both readers made of a file. one: by YAML 1.1; other: by YAML 1.2, whose numbers such as 1e-5 are kept."""
    if isinstance(one, dict) and isinstance(other, dict) and len(one) == len(other):
        return {
            _agreed(*keys, f"{place}: a key"): _agreed(one[keys[0]], other[keys[1]], f"{place}{_part(keys[0], place)}")
            for keys in zip(one, other, strict=True)
        }
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_agreed(*both, f"{place}.{i}") for i, both in enumerate(zip(one, other, strict=True))]
    if isinstance(one, str) and isinstance(other, float):
        return other
    if type(one) is not type(other) or (one != other and one == one):
        both = f"{quoted(one)} by YAML 1.1, {quoted(other)} by 1.2, which DVC reads"
        raise InputError(f"{place}: {both}; write it so that both agree: {AGREE}")
    if isinstance(one, str) and HALF.search(one):
        raise InputError(f"{place}: given {quoted(one)}; half of a character, which no file can hold; write it whole")
    if not isinstance(one, PLAIN):
        raise InputError(f"{place}: given a {type(one).__name__}; expected a number or text, text in quotes")
    return one


def _part(key: Any, place: str) -> str:
    """A key as the next part of a place, which begins with the file's name."""
    said = key if isinstance(key, str) and key.isprintable() and len(key) <= 80 else quoted(key)
    return f"{'.' if ': ' in place else ': '}{said}"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses what params.yaml needs not and can do harm: tags, hundreds of lists in one another, keys
    that are lists, a key written twice (YAML would silently keep the last), and aliases: DVC's `-S` would change the
    value in both places, or in none.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _wrong(event, f"the alias {quoted(f'*{event.anchor}')[1:-1]}; write its value out")
        if event.tag is not None:
            raise _wrong(event, f"the tag {quoted(event.tag)}; write the value without it, text in quotes")
        if self.depth >= DEEPEST:
            raise _wrong(event, f"over {DEEPEST} sections and lists in one another")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            said = " ".join(str(error).split(";")[0].split())[:120]
            raise _wrong(
                node, f"{quoted(node.value)} can't be read ({said}); if it is text, put it in quotes"
            ) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                raise _wrong(key_node, "a key that is no name; expected for example `models:`")
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _wrong(key_node, f"the key {quoted(key)} is there twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _wrong(at: Any, what: str) -> yaml.YAMLError:
    return yaml.YAMLError(f"line {at.start_mark.line + 1}: {what}")
