"""One's own model in params.yaml: `python -m cnnviz.add my-net.keras` writes its block from what the file says.

Also a training's: `python -m cnnviz.add runs/mine`, the folder of cnnviz.FilterWatch. Called again when there are more
checkpoints, it brings these.

Asks nothing that the file tells: input shape, channels, what the network does to images itself, its outputs. What no
file tells, such as what images were scaled to, is assumed; a comment says what, and how to say otherwise.
"""

import argparse
import filecmp
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from cnnviz import config, networks
from cnnviz.errors import InputError
from cnnviz.fields import KEY
from cnnviz.files import stage, write_bytes

PARAMS, MODELS = Path("params.yaml"), Path("inputs/models")
LABELS = ("labels.txt", "class_names.txt", "classes.txt")  # a line per class, as Teachable Machine writes them
COLUMN = 32  # of params.yaml's comments


def key_for(file: Path, name: str | None, taken: Mapping[str, Any]) -> str:
    """A folder name for the model that params.yaml doesn't have yet. Raises InputError where `name` can't be one."""
    if name is not None:
        if not KEY.fullmatch(name) or name in taken:
            why = "there is a model of this name" if name in taken else "expected letters, digits, - and _, at most 64"
            raise InputError(f"--name: given {name!r}; {why}")
        return name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-_")[:48] or "model"
    stem = f"{stem}-model" if stem.lower() in config.REPORT else stem
    numbers = ("", *(f"-{i}" for i in range(2, len(taken) + 3)))
    return next(stem + number for number in numbers if stem + number not in taken)


def at_home(file: Path) -> Path:
    """The file's path below `inputs/models`, which DVC watches; a copy there, where it lies elsewhere."""
    if not file.exists():
        raise InputError(f"{file}: not found; expected a .keras, .h5 or .hdf5 file, or a folder of cnnviz.FilterWatch")
    if file.resolve().is_relative_to(MODELS.resolve()):
        return MODELS / file.resolve().relative_to(MODELS.resolve())
    there = MODELS / file.name
    if file.is_file() and not (there.is_file() and there.read_bytes() == file.read_bytes()):
        if there.exists():
            raise InputError(f"{there}: there is another file of this name; give yours another one")
        MODELS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, there)
        print(f"copied to {there}")
    return there if there.is_file() else file


def series_at_home(folder: Path, name: str | None = None) -> tuple[Path, int]:
    """The same for the folder of a watched training, and how many of its files are new there.

    A copy has the same checkpoints and is brought up to date; what this training gave up since then is set aside, with
    a line. Another training of the folder's name gets a folder beside it, `-2`. name: that of the copy.
    """
    if not (folder / networks.series.NETWORK).is_file():
        raise InputError(
            f"{folder}: has no {networks.series.NETWORK}, as cnnviz.FilterWatch writes it; for others, put the "
            f"folder into {MODELS}, and write a block: `checkpoints: {(MODELS / folder.name).as_posix()}/*.keras`"
        )
    networks.series.find(str(folder), None, str(folder))  # whether it is whole
    if folder.resolve().is_relative_to(MODELS.resolve()):
        return MODELS / folder.resolve().relative_to(MODELS.resolve()), 0
    wanted = {file.name: file for file in networks.series.files_of(str(folder))}
    there, had = MODELS / (name or folder.resolve().name), dict[str, Path]()
    for number in count(2):
        if there.exists() and not (there / networks.series.NETWORK).is_file():
            raise InputError(f"{there}: there is something else of this name; give yours another one, by --name")
        had = {file.name: file for file in networks.series.files_of(str(there))} if there.is_dir() else {}
        other = next((of for of in sorted(had) if of in wanted and not _same(had[of], wanted[of])), None)
        if other is None:
            break
        if name:
            raise InputError(f"--name: given {name!r}; {there / other} is of another training; give yours another name")
        beside = MODELS / f"{folder.resolve().name}-{number}"
        print(f"{there / other} is of another training: this one is {beside}")
        there = beside
    gone = [had[of] for of in had if of not in wanted]
    if place := networks.series.set_aside(there, gone):
        print(f"{len(gone)} files that the training gave up are in {place} now")
    new = wanted.keys() - had.keys()
    for of in sorted(new, key=lambda of: of != networks.series.NETWORK):  # that first
        write_bytes(there / of, wanted[of].read_bytes())
    return there, len(new)


def _same(one: Path, other: Path) -> bool:
    return filecmp.cmp(one, other, shallow=False)


def class_names(file: Path, classes: int) -> list[str]:
    """Names from a text file beside the model, in a series' folder, a line each, where there are as many as outputs."""
    for name in LABELS:
        beside = file / name if file.is_dir() else file.with_name(name)
        if beside.is_file():
            text = beside.read_text(encoding="utf-8", errors="replace")
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            numbered = [re.sub(rf"^{i}[\s:,;]+", "", line) for i, line in enumerate(lines)]
            if all(short != line for short, line in zip(numbered, lines, strict=True)):
                lines = numbered  # 0 cat, 1 dog, ...
            if len(lines) == len(set(lines)) == classes:
                print(f"class_names from {beside}")
                return lines
    return []


def block(key: str, section: Mapping[str, Any], described: Mapping[str, Any], names: list[str]) -> str:
    """The model's block for params.yaml, indented by two, with what was found as comments."""
    height, width, channels = described["input_shape"]
    colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    convs, head = len(described["conv_layers"]), described["head"]
    states = f", {len(described['checkpoints'])} checkpoints" if "checkpoints" in described else ""
    lines = [(f"  {key}:", f"{height}x{width} {colours}, {convs} conv layer{'s' * (convs != 1)}{states}")]
    lines += [(f"    {name}: {_flow(value)}", "") for name, value in section.items()]
    if _unknown(described):
        lines.append(("    # preprocessing: unit", "assumed, no file tells; raw: 0..255, tf: -1..1, torch, caffe"))
    if len(described["output_names"]) > 1 and head["output"]:
        others = ", ".join(name for name in described["output_names"] if name != head["output"])
        lines.append((f"    # output: {_flow(head['output'])}", f"taken; or: {others}"))
    if names:
        lines.append((f"    class_names: {_flow(names)}", ""))
    elif head["kind"] in ("classes", "binary", "labels"):
        count = len(head["names"])
        lines.append(("    # class_names: [a, b, …]", f"of its {count} outputs, in order"))
    lines.append(("    # layers: 4", "filters of every layer, or {layer: [filters]}; auto: 4 of up to 8 layers"))
    return "".join(f"{f'{text:<{COLUMN - 1}} # {note}' if note else text}\n" for text, note in lines)


def _flow(value: Any) -> str:
    """A value on one line, as YAML."""
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6).removesuffix("...\n").strip()


def _unknown(described: Mapping[str, Any]) -> bool:
    """Whether what the network was trained on had to be assumed."""
    return described["preprocessing"]["name"] == "unit" and any("assumed" in note for note in described["notes"])


def inserted(text: str, addition: str) -> str:
    """params.yaml with a block more, behind the last model; comments and order stay as they are."""
    root: Any = yaml.compose(text, yaml.SafeLoader)
    name, models = next((name, value) for name, value in root.value if name.value == "models")
    if isinstance(models, yaml.ScalarNode) or not models.value:  # all were deleted
        lines = text.splitlines(keepends=True)
        line = name.start_mark.line
        lines[line] = re.sub(r"^models:(\s*)(\{\s*\}|~|null)?", r"models:\1", lines[line].rstrip("\n")) + "\n"
        return "".join([*lines[: line + 1], addition, *lines[line + 1 :]])
    if models.flow_style:
        raise InputError(f"{PARAMS}: `models` stands in braces; write it a line per model, then add yours")
    line = max(mark.line for mark in _ends(models)) + 1
    lines = text.splitlines(keepends=True)
    while line < len(lines) and re.match(r"    +#", lines[line]):  # comments of the last block
        line += 1
    head = "".join(lines[:line])
    return f"{head}{'' if head.endswith(chr(10)) else chr(10)}{addition}{''.join(lines[line:])}"


def _ends(node: Any) -> Iterator[Any]:
    """Where the values of a mapping end: of a block, PyYAML's own mark stands behind the comments that follow."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        yield node.end_mark
    else:
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                yield from _ends(part)


def add(file: Path, name: str | None = None) -> str:
    """Write the block of a model file, or of a series, into params.yaml. Returns its key.

    Of a series that has a block, only what is new is brought. Raises InputError for a file that can't be shown, with
    what is in the way.
    """
    text = PARAMS.read_text(encoding="utf-8")
    taken = config.parse(text, str(PARAMS)).get("models") or {}
    section: dict[str, Any]
    if file.is_dir():
        if name is not None and "checkpoints" not in (taken.get(name) or ()):
            key_for(file, name, taken)  # before anything is copied
        here, new = series_at_home(file, name)
        section = {"checkpoints": here.as_posix()}
        if new:
            print(f"{new} new files of {file} copied to {here}")
        there = (of for of, one in taken.items() if isinstance(one, dict) and one.get("checkpoints") == here.as_posix())
        if (known := next(there, None)) is not None and name in (None, known):
            return str(known)
        key = key_for(file.resolve(), name, taken)
        if isinstance(said := networks.series.watch_in(file).get("preprocessing"), str | dict):  # to FilterWatch
            section["preprocessing"] = said
    else:
        key, here = key_for(file, name, taken), at_home(file)
        section = {"file": here.as_posix()}
    with tempfile.TemporaryDirectory() as folder:
        networks.run(key, networks.ModelSection(**section), Path(folder))
        described = networks.read_description(Path(folder) / "models" / key)
    names = class_names(file, len(described["head"]["names"]))
    changed = inserted(text, block(key, section, described, names))
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / PARAMS.name
        trial.write_text(changed, encoding="utf-8")
        config.load(trial)
    write_bytes(PARAMS, changed.encode())
    return key


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.add", description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="a .keras, .h5 or .hdf5 file, or a folder of cnnviz.FilterWatch")
    parser.add_argument("--name", help="the model's key in params.yaml, the file's name where nothing is said")
    given = parser.parse_args()
    with stage("add", "python -m cnnviz.add"):
        before = PARAMS.read_bytes()
        key = add(given.file, given.name)
    done = f"added {key} to" if PARAMS.read_bytes() != before else f"{key} is in"
    print(f"{done} {PARAMS}; look at its block, then: make repro")


if __name__ == "__main__":
    main()
