"""A request's pictures, made as params.yaml asks: here, or by the workers of a cluster before all else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError
from cnnviz.files import Stopwatch, say
from cnnviz.maximization import chunks
from cnnviz.maximization.ascent.rendered import Rendered
from cnnviz.maximization.execution import kinds
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.execution.work import Work
from cnnviz.maximization.rendering import Rendering


@dataclass(frozen=True)
class Execution:
    """A work whose pictures are in a folder, or are made when they are asked for. kind: of the machine that they are
    of, where that is another one than this, which then makes none; name: of what is left to do.
    """

    work: Work
    folder: Path
    name: str
    kind: kinds.Kind | None = None

    def rendering(self, here: Work, watch: Stopwatch, bar: Any) -> Rendering:
        """The images of the work in one state."""

        def make(chunk: chunks.Chunk, _: Callable[[int], object]) -> Rendered:
            if self.kind:
                raise InputError(
                    f"{self.name}: {chunk.objectives[0]} and others are missing, of machines such as {self.kind}; run "
                    f"the shards, or what filled {self.folder}, to the end"
                )
            with watch.network():
                here.prepare(chunk)
                return chunks.render(chunk, bar.update)

        return here.rendering(self.folder, make, bar.skip, list(self.kind.parts) if self.kind else None)


def execute(request: Request, artifacts: Path, folder: Path, name: str, watch: Stopwatch) -> Execution:
    """Raises InputError as `Work` does, and where workers can't be had or don't make it."""
    if request.section.executor == "ray":
        from cnnviz.maximization.execution.filling import fill

        work, kind = fill(request, artifacts, folder, name)
        return Execution(work, folder, f"{name}: files", kind)
    kind = None
    if (found := kinds.of_shards(folder)) and (other := kinds.here().unlike(found[0])):
        apart = request.section.other_processors == "apart"
        say(f"{name}: {folder} has pictures of shards on {found[1]}, which has {other}; "
            f"{'made of them' if apart else f'not used ({kinds.KEY}: refuse)'}")  # fmt: skip
        kind = found[0] if apart else None
    with watch.network():
        return Execution(Work(kind.of(request) if kind else request, artifacts), folder, name, kind)
