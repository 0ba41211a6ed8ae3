"""A share of a work's parts: `--shard 3/32` makes the third of thirty-two, as files of the render cache alone."""

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.errors import InputError, quoted
from cnnviz.files import Stopwatch, command, progress, stage
from cnnviz.maximization.execution.request import Request

if TYPE_CHECKING:
    from cnnviz.maximization.ascent.rendered import Rendered
    from cnnviz.maximization.chunks import Chunk
    from cnnviz.maximization.execution.work import Part
    from cnnviz.maximization.rendering import Tick

MOST = 100_000  # shards


def parse(text: str) -> tuple[int, int]:
    """`3/32` -> (3, 32). Raises InputError for what is no such share."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count <= MOST:
        raise InputError(f"--shard: given {quoted(text)}; expected i/n, from 1/n to n/n, such as 3/32")
    return number, count


def arguments(doc: str) -> tuple[str, str]:
    """Model and shard ("" for none) that a stage's command line names; doc: of its script."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("model", help="its key in params.yaml")
    parser.add_argument("--shard", default="", metavar="3/32", help="a share of the pictures: docs/clusters.md")
    given = parser.parse_args()
    return given.model, given.shard


@contextmanager
def frame(name: str, script: str, key: str, shard: str) -> Iterator[Stopwatch]:
    """The frame of a stage, `files.stage`; of a shard under a name of its own, so that it runs beside the others."""
    if not shard:
        with stage(f"{name}@{key}") as watch:
            yield watch
        return
    again = f"{script} {key} --shard {shard}"
    with command(again):
        number, count = parse(shard)
    with stage(f"{name}@{key}.shard-{number}-of-{count}", again) as watch:
        yield watch


def share(parts: "Sequence[Part]", number: int, count: int) -> "list[Part]":
    """The parts of shard `number` of `count`, from 1: neighbours, which share graphs, as long to make as any other."""
    whole, before, found = sum(part.effort for part in parts), 0.0, []
    for part in parts:
        middle = before + part.effort / 2
        if min(count, int(middle / whole * count) + 1) == number:
            found.append(part)
        before += part.effort
    return found


def fill(request: Request, artifacts: Path, folder: Path, shard: str, watch: Stopwatch) -> None:
    """Make a shard's pictures, and no outputs. Raises as `parse`, `kinds.join_shards` and `Work` do."""
    from cnnviz.maximization import chunks  # TensorFlow: only after the params are checked
    from cnnviz.maximization.execution import kinds
    from cnnviz.maximization.execution.work import States, Work

    number, count = parse(shard)
    kinds.join_shards(folder, request.section.other_processors)
    with watch.network():
        work = Work(request, artifacts)
        mine = share(work.parts(), number, count)
    steps = sum(part.steps for part in mine)
    what = f"{len(mine)} parts, {sum(len(part.filters) for part in mine)} filters, {steps:,} image·steps"
    name = f"{'epochs' if request.plain else 'maximize'} {request.key} {number}/{count}"
    bar = progress(steps, "image·step", name, what, sum(part.effort for part in mine))

    def make(chunk: "Chunk", _: "Tick") -> "Rendered":
        with watch.network():
            return chunks.render(chunk, bar.update)

    with States(work) as states:
        for part in mine:
            here, bar.each = states.at(part.state), part.effort / part.steps
            here.make(part, here.rendering(folder, make, bar.skip))
    bar.close()
