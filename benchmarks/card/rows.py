"""How a part hears what to do and says what it found; imports nothing but Python's own."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

LAYERS = {"block2_conv2": 4, "block3_conv1": 5, "block4_conv1": 8, "block5_conv1": 11}  # which conv layer of VGG16
SIZE = 128  # canvas of the timed layers


def say(**row: Any) -> None:
    print(json.dumps(row), flush=True)


def part(do: Callable[..., Iterator[dict[str, Any]]]) -> None:
    """Run a part with the arguments that stand on its command line as JSON; a row for each thing that it finds."""
    for row in do(**json.loads(sys.argv[1])):
        say(**row)


def reason(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def milliseconds(run: Callable[[int], object], steps: tuple[int, int], images: int, repeats: int = 3) -> list[float]:
    """Per image and step, of each repeat: what more steps take more; run: makes so many steps, and is warm."""
    found = []
    for _ in range(repeats):
        clock = [time.perf_counter()]
        for count in steps:
            run(count)
            clock.append(time.perf_counter())
        found.append(((clock[2] - clock[1]) - (clock[1] - clock[0])) / (steps[1] - steps[0]) / images * 1000)
    return found
