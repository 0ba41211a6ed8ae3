"""A larger picture of one filter for its page: `python -m cnnviz.enlarge vgg16 block5_conv3 10 --size 512`.

Writes it down under `enlarge` in params.yaml, which the stage `enlarge` reads, then does what `make repro` does: of all
stages this one, `report` and `track` run, the others have nothing to do.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from cnnviz import config, maximization, networks
from cnnviz.errors import InputError, choices
from cnnviz.files import ARTIFACTS, command, write_bytes

PARAMS = Path("params.yaml")
COLUMN = 32  # of params.yaml's comments


def with_entry(text: str, model: str, layer: str, k: int, size: int) -> str:
    """The text of params.yaml with one filter more under `enlarge`; all else stays as it is, but for that model's line.

    Raises InputError where the section is written in a way that can't be added to.
    """
    root: Any = yaml.compose(text, yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    here = [(name, value) for name, value in root.value if name.value == "enlarge"]
    known = (config.parse(text, str(PARAMS)).get("enlarge") if here else None) or {}
    layers = {name: dict(sides) for name, sides in (known.get(model) or {}).items()}
    layers.setdefault(layer, {})[k] = size
    flow = yaml.safe_dump(layers, default_flow_style=True, allow_unicode=True, width=10**6, sort_keys=False).strip()
    own = f"  {model}: {flow}\n"
    if not here:
        return "".join([*lines, "\nenlarge:\n", own])
    name, value = here[0]
    if isinstance(value, yaml.ScalarNode) or not value.value:  # nothing yet: `enlarge: {}`
        at = value.end_mark.line if value.end_mark.line == name.start_mark.line else name.start_mark.line
        comment = re.search(r"\s(#.*)$", lines[at].rstrip("\n"))
        head = f"{'enlarge:':<{COLUMN - 1}} {comment[1]}\n" if comment else "enlarge:\n"
        return "".join([*lines[:at], head, own, *lines[at + 1 :]])
    if value.flow_style:
        raise InputError(f"{PARAMS}: `enlarge` stands in braces; write it a line per model, then ask again")
    ends = {each.value: _end(part) for each, part in value.value}
    for each, _ in value.value:
        if each.value == model:
            return "".join([*lines[: each.start_mark.line], own, *lines[ends[model] + 1 :]])
    last = max(ends.values()) + 1
    return "".join([*lines[:last], own, *lines[last:]])


def _end(node: Any) -> int:
    """The last line of a value: of a block, PyYAML's own mark stands behind the comments that follow."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    return max(_end(part) for _, part in node.value)


def write(model: str, layer: str, k: int, size: int) -> None:
    """Add a filter to `enlarge` in params.yaml.

    Raises InputError for a model, layer, filter or size that is not there or can't be, before anything is written.
    """
    params = config.load(PARAMS)
    if model not in params.models:
        raise InputError(f"{PARAMS}: no model {model!r}; {choices(model, params.models)}")
    changed = with_entry(PARAMS.read_text(encoding="utf-8"), model, layer, k, size)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / PARAMS.name
        trial.write_text(changed, encoding="utf-8")
        asked = config.load(trial).enlarge
    stored = ARTIFACTS / "models" / model
    if (stored / "model.json").is_file():  # else the stage says it
        maximization.check_enlarged(model, asked[model], params.maximize, networks.read_description(stored))
    write_bytes(PARAMS, changed.encode())


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.enlarge", description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="its key in params.yaml")
    parser.add_argument("layer")
    parser.add_argument("filter", type=int)
    parser.add_argument("--size", type=int, default=512, help="of the canvas in pixels, 8 to 2048; 512 by default")
    given = parser.parse_args(words)
    with command("python -m cnnviz.enlarge"):
        write(given.model, given.layer, given.filter, given.size)
        place = f"enlarge.{given.model}.{given.layer}.{given.filter}"
        print(f"{PARAMS}: {place}: {given.size}; what follows is make repro", flush=True)
    return subprocess.run([sys.executable, "-m", "cnnviz.repro"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
