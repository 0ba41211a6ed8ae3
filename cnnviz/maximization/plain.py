"""Pictures of a series by the first attempt alone, as `maximize` begins: from the same noise at every checkpoint.

No second seed for what stays silent, no verdicts, no scores but the objective's.
"""

from collections.abc import Iterator
from pathlib import Path

from cnnviz.files import CACHE, Stopwatch, progress
from cnnviz.maximization.ascent.rendered import Rendered, join
from cnnviz.maximization.execution.executing import Execution, execute
from cnnviz.maximization.execution.request import Request
from cnnviz.maximization.execution.work import States


def of_series(request: Request, artifacts: Path, watch: Stopwatch) -> Iterator[dict[str, Rendered]]:
    """The pictures of each checkpoint, by layer, filters in the order asked for; what is in the render cache is not
    made. Raises as `Work` does.
    """
    return _each(execute(request, artifacts, CACHE / "render", f"epochs {request.key}", watch), watch)


def _each(done: Execution, watch: Stopwatch) -> Iterator[dict[str, Rendered]]:
    work = done.work
    count = len(work.described["checkpoints"])
    total, often = count * work.steps, f"{count} checkpoint{'s' * (count != 1)}"
    what = f"{sum(map(len, work.wanted.values()))} filters at {often}, {total:,} image·steps"
    bar = progress(total, "image·step", done.name, what)
    with States(work) as states:
        for i in range(count):
            here = states.at(i)
            made = done.rendering(here, watch, bar)
            yield {
                layer: join([here.images_of(part, made) for part in here.of_layer(layer, i)]) for layer in work.wanted
            }
            bar.note(f"{i + 1} checkpoints done")
    bar.close()
