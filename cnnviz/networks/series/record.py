"""What the folder of a watched training knows beside the weights: states that came by, kept or not; what it is of.

`seen.jsonl` has a line for each, `watch.json` what is the same for all. A series is whole without them.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cnnviz.files import write_bytes
from cnnviz.networks.series.kept import ODD, count, finite

SEEN, WATCH = "seen.jsonl", "watch.json"


@dataclass(frozen=True)
class Seen:
    """A state that a training went through: after so many epochs and steps, `kept.state` of it, what Keras measured."""

    epoch: int
    step: int
    state: str
    logs: dict[str, float | None] = field(default_factory=dict)

    @property
    def at(self) -> tuple[int, int]:
        """Epochs and steps, by which states are ordered."""
        return self.epoch, self.step

    @property
    def name(self) -> str:
        """Of its file, where it is kept."""
        return f"{self.epoch}-{self.step}"


def seen_in(folder: Path) -> list[Seen]:
    """What was seen by now, in its order, as far as it can be read."""
    found: list[Seen] = []
    try:
        lines = (folder / SEEN).read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        with suppress(*ODD, KeyError):  # half a line, as a full disk leaves it
            one = json.loads(line)
            epoch, step = count(one["epoch"]), count(one["step"])
            if epoch is not None and step is not None:
                logs = {str(name): finite(value) for name, value in one["logs"].items()}
                found.append(Seen(epoch, step, str(one["state"]), logs))
    return found


def see(folder: Path, one: Seen) -> None:
    """Add a line, by itself where half of one was there."""
    with (folder / SEEN).open("ab+") as file:
        file.seek(max(file.tell() - 1, 0))
        whole = file.read() in (b"", b"\n")
        file.write((b"" if whole else b"\n") + _line(one))


def write_seen(folder: Path, every: Iterable[Seen]) -> None:
    """Write all of it again."""
    write_bytes(folder / SEEN, b"".join(map(_line, every)))


def _line(one: Seen) -> bytes:
    return json.dumps(asdict(one), allow_nan=False).encode() + b"\n"


def watch_in(folder: Path) -> dict[str, Any]:
    """`architecture`, a signature; `preprocessing`, where the user said it; nothing where it can't be read."""
    with suppress(*ODD):
        found = json.loads((folder / WATCH).read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def write_watch(folder: Path, found: dict[str, Any]) -> None:
    write_bytes(folder / WATCH, json.dumps(found).encode() + b"\n")
