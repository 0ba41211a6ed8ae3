"""inputs/notes.yaml, what people write about filters: model -> layer -> filter -> text. The only reader of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unicodedata import category

from cnnviz.config.reading import read
from cnnviz.config.schema import Params
from cnnviz.errors import InputError, choices, quoted
from cnnviz.files import ARTIFACTS, write_bytes
from cnnviz.networks import read_description

PATH = Path("inputs/notes.yaml")
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # the direction of what follows
LONGEST = 2000  # characters of a note
EMPTY = """\
# What you know of a filter: on its page, and found by the site's search. Git keeps this file. For example:
# vgg16:
#   block5_conv3:
#     10: eyes of birds, also round buttons
"""
Notes = dict[str, dict[str, dict[int, str]]]


def keep(path: Path = PATH) -> None:
    """Have the file, which DVC needs, where it was removed."""
    if not path.exists():
        write_bytes(path, EMPTY.encode())


def read_notes(params: Params, artifacts: Path = ARTIFACTS, path: Path = PATH) -> Notes:
    """The notes, held against params.yaml and against the layers of the models that are stored; none without a file.

    Layers are called as the site calls their folders. Raises InputError, a line for each mistake.
    """
    notes = parsed(params, path)
    lines: list[str] = []
    found = dict(notes)
    for key, layers in notes.items():
        if (artifacts / "models" / key / "model.json").is_file():
            described = read_description(artifacts / "models" / key)
            lines += of_model(key, layers, described, path)
            titles = _titles(described)
            found[key] = {titles.get(name, name): one for name, one in layers.items()}
    if lines:
        raise InputError("\n".join(lines))
    return found


def parsed(params: Params, path: Path = PATH) -> Notes:
    """The notes, held against params.yaml only. Raises InputError, a line for each mistake."""
    data = read(path, empty=True) if path.exists() else {}
    if lines := list(_complaints(data, params, path)):
        raise InputError("\n".join(lines))
    return data


def _complaints(data: Mapping[str, Any], params: Params, path: Path) -> Iterator[str]:
    for key, layers in data.items():
        if key not in params.models:
            yield f"{path}: {_shown(key)}: params.yaml has no such model; {choices(key, params.models)}"
        elif not isinstance(layers, dict):
            yield f"{path}: {key}: given {quoted(layers)}; expected layers with filters: {{block1_conv1: {{7: text}}}}"
        else:
            for name, filters in layers.items():
                yield from _of_layer(f"{path}: {key}.{_shown(name)}", filters)


def _of_layer(where: str, filters: Any) -> Iterator[str]:
    if not isinstance(filters, dict):
        yield f"{where}: given {quoted(filters)}; expected filters with a text each: {{7: text}}"
        return
    for k, text in filters.items():
        if type(k) is not int or k < 0:
            yield f"{where}: given {quoted(k)}; expected the number of a filter, 0 or more"
        elif not isinstance(text, str) or not text.strip():
            yield f"{where}.{k}: given {quoted(text)}; expected a text, in quotes where it looks like a number"
        elif any(_controls(sign) for sign in text):
            yield f"{where}.{k}: given {quoted(text)}; expected a text without control characters or halves of signs"
        elif len(text) > LONGEST:
            yield f"{where}.{k}: {len(text)} characters; expected {LONGEST} at most"


def _controls(sign: str) -> bool:
    """Whether a sign is none to be read: a control character, one that turns the direction of writing, half of one."""
    return (category(sign) == "Cc" and sign not in "\t\n\r") or category(sign) == "Cs" or sign in TURNING


def _shown(name: Any) -> str:
    """A name of the file in a line of its own."""
    return str(name) if str(name).isprintable() else quoted(name)


def of_model(
    key: str, layers: Mapping[str, Mapping[int, str]], described: Mapping[str, Any], path: Path = PATH
) -> Iterator[str]:
    """What is wrong with the notes on a model whose model.json is `described`."""
    counts = {conv["name"]: int(conv["filters"]) for conv in described["conv_layers"]}
    titles = _titles(described)
    for name, filters in layers.items():
        if (count := counts.get(titles.get(name, name))) is None:
            yield f"{path}: {key}.{_shown(name)}: no such conv layer; {choices(str(name), [*counts, *titles])}"
            continue
        for k in filters:
            if k >= count:
                yield f"{path}: {key}.{name}.{k}: no such filter; there are 0..{count - 1}"


def _titles(described: Mapping[str, Any]) -> dict[str, str]:
    """Layers by the user's name, where no file can have it."""
    return {conv["title"]: conv["name"] for conv in described["conv_layers"] if "title" in conv}
