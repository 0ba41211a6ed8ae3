"""Graphics cards: whether this process may use one, which it is, and what is said where it is missing, too old, full or
lost. TensorFlow is never imported here.

The variable GPU of the environment: 1 asks for a card, 0 hides those that there are; without it, what TensorFlow finds
is used.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnviz.errors import InputError, quoted, reason

ASKED = "GPU"
# of the drivers: Linux's, that of containers without nvidia-smi too, and that of Windows' Linux
DEVICES = ("/dev/nvidiactl", "/dev/dxg")

_FULL = re.compile(
    r"out of memory|\bOOM\b|OUT_OF_MEMORY|RESOURCE_EXHAUSTED|ALLOC_FAILED|failed to allocate|exhausted"
    r"|Dst tensor is not initialized",
    re.IGNORECASE,
)
_CARD = re.compile(r"cuda|cudnn|cublas|cufft|cusolver|DNN library|\bGPU\b|PTX|gpu_|nvlink", re.IGNORECASE)
_SHAPE = re.compile(r"shape(?: of)? ?\[([\d, ]+)\]")
_WHERE = re.compile(r"device:(CPU|GPU):(\d+)")


def settle() -> None:
    """Set up TensorFlow by the environment, for this process and those that it starts: a card's memory is taken as it
    is needed, so that others can use the card. Raises InputError for another GPU than 0 and 1.
    """
    asked = os.environ.get(ASKED, "")
    if asked not in ("", "0", "1"):
        raise InputError(f"{ASKED}={quoted(asked)} in the environment; expected 1, compute on a graphics card, or 0, not")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if asked == "0":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def check(tensorflow: Any) -> None:
    """Raises InputError where a card was asked for and TensorFlow sees none, or where it has no kernels for any."""
    if os.environ.get(ASKED) == "0":
        return
    found = tensorflow.config.list_physical_devices("GPU")
    if not found and os.environ.get(ASKED) == "1":
        raise InputError(
            f"{ASKED}=1: TensorFlow sees no graphics card; does `nvidia-smi` see one? make repro GPU=1 installs what "
            f"TensorFlow needs for it; {ASKED}=0 computes on the processor"
        )
    least = _least(tensorflow.sysconfig.get_build_info())
    old = [one for one in (_details(tensorflow, card) for card in found) if _version(one) and _version(one) < least]
    if found and len(old) == len(found):
        raise InputError(
            f"{_named(old[0])}: too old, this TensorFlow's kernels are for compute capability {_dotted(least)} and "
            f"newer; {ASKED}=0 computes on the processor"
        )


def _least(build: dict[str, Any]) -> tuple[int, ...]:
    """The lowest compute capability that TensorFlow was built for: of `sm_60`, `compute_90` and their like 6, 0."""
    numbers = [int(match[1]) for name in build.get("cuda_compute_capabilities", ()) if (match := re.search(r"_(\d+)", name))]
    return divmod(min(numbers), 10) if numbers else ()


def _details(tensorflow: Any, card: Any) -> dict[str, Any]:
    found: dict[str, Any] = tensorflow.config.experimental.get_device_details(card)
    return found


def _version(details: dict[str, Any]) -> tuple[int, ...]:
    return tuple(details.get("compute_capability", ()))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _named(details: dict[str, Any]) -> str:
    capability = f" (compute capability {_dotted(_version(details))})" if _version(details) else ""
    return f"{details.get('device_name', 'the graphics card')}{capability}"


def failure(error: BaseException, again: str) -> str:
    """What to say, in one line, of an error of TensorFlow that comes of a card, or of a lack of memory anywhere; "" for
    all others. again: the command that goes on from here.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return ""
    errors, card = tensorflow.errors, _card(tensorflow)
    for one in _causes(error):
        if not isinstance(one, errors.OpError) or isinstance(one, errors.InvalidArgumentError):
            continue
        said = _own_words(one)
        if isinstance(one, errors.ResourceExhaustedError) or _FULL.search(said):
            return _full(said, card, again)
        if card and _CARD.search(said):
            lost = f"{card}: lost, or at odds with TensorFlow ({reason(Exception(said), 160)})"
            return f"{lost}; `nvidia-smi` shows how it is. {_remedy(again)}"
    return ""


def _full(said: str, card: str, again: str) -> str:
    shape, where = _SHAPE.search(said), _WHERE.search(said)
    what = f" for a tensor of shape [{shape[1].replace(' ', '')}]" if shape else ""
    less = "lower maximize.memory or analyze.batch in params.yaml"
    if not card or (where and where[1] == "CPU"):
        return f"no memory left{what}: {less}, or end what else takes memory, then: {again}"
    return f"{card}: no memory left{what}; `nvidia-smi` shows who has it, or {less}. {_remedy(again)}"


def _remedy(again: str) -> str:
    return f"What was made is kept: {again} goes on from here, with {ASKED}=0 on the processor"


def _own_words(error: BaseException) -> str:
    """TensorFlow puts the graph's nodes and a stack before and behind what is wrong."""
    message = getattr(error, "message", None) or str(error)
    return str(message).split("\nNode: ")[-1]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of: Keras puts others in place of TensorFlow's."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _card(tensorflow: Any) -> str:
    """The first card's name, "" where there is none."""
    try:
        found = tensorflow.config.list_physical_devices("GPU")
        return _named(_details(tensorflow, found[0])) if found else ""
    except Exception:  # of a card that is gone
        return "the graphics card"


def likely() -> bool:
    """Whether a driver of a card is here and the card is not hidden; without TensorFlow."""
    return os.environ.get(ASKED) != "0" and any(Path(one).exists() for one in DEVICES)
