"""The processor that computes: its kind is part of what a picture's last bits depend on.

TensorFlow picks its kernels by family, model and vector instructions, and each sums in an order of its own: two
processors that both call themselves "AMD EPYC" write different bytes.
"""

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container
# x86: SSE4 to AVX-512, fused products, bfloat16, tiles; ARM: NEON, SVE and their additions
_VECTOR = re.compile(r"(sse4|avx|fma|f16c|amx|asimd|sve|sme(?!p$)|neon|bf16|i8mm|fp16|fphp)\w*")
# Environment variables that choose kernels, or how exactly they compute
CHOICES = (
    *("TF_ENABLE_ONEDNN_OPTS", "TF_ENABLE_AUTO_MIXED_PRECISION", "TF_XLA_FLAGS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE"),
    *("ONEDNN_MAX_CPU_ISA", "ONEDNN_CPU_ISA_HINTS", "ONEDNN_DEFAULT_FPMATH_MODE"),
    *("DNNL_MAX_CPU_ISA", "DNNL_CPU_ISA_HINTS", "DNNL_DEFAULT_FPMATH_MODE"),
)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Processor:
    """What the operating system says of the processor; "unknown" where it says nothing.

    vendor, family, model, stepping: CPUID's on x86; implementer, architecture, part and revision on ARM. vector: names
    of the vector instructions, sorted.
    """

    name: str = UNKNOWN
    vendor: str = UNKNOWN
    family: str = UNKNOWN
    model: str = UNKNOWN
    stepping: str = UNKNOWN
    vector: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """In one line: what has to agree, so that the same bytes can be expected."""
        instructions = " ".join(self.vector) or UNKNOWN
        return f"{self.vendor} family {self.family} model {self.model} stepping {self.stepping}: {instructions}"

    @property
    def has_bfloat16(self) -> bool:
        """Whether it computes in bfloat16 (AVX512-BF16 or AMX)."""
        return bool({"avx512_bf16", "amx_bf16"} & set(self.vector))


def parse(cpuinfo: str) -> Processor:
    """The first processor in the text of Linux's /proc/cpuinfo."""
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    flags = (fields.get("flags") or fields.get("Features") or "").split()

    def first(*names: str) -> str:
        return next((fields[name] for name in names if fields.get(name)), UNKNOWN)

    return Processor(
        name=first("model name", "Hardware", "Processor"),
        vendor=first("vendor_id", "CPU implementer"),
        family=first("cpu family", "CPU architecture"),
        model=first("model", "CPU part"),
        stepping=first("stepping", "CPU revision"),
        vector=tuple(sorted({flag for flag in flags if _VECTOR.fullmatch(flag)})),
    )


def from_sysctl(values: Mapping[str, str]) -> Processor:
    """From what macOS's `sysctl machdep.cpu hw.optional` prints, by key."""
    arm = "hw.optional.arm.FEAT_"
    listed = values.get("machdep.cpu.features", "") + " " + values.get("machdep.cpu.leaf7_features", "")
    known = {flag.lower().replace(".", "_") for flag in listed.split()}
    known |= {key.removeprefix(arm).lower() for key, one in values.items() if key.startswith(arm) and one == "1"}
    return Processor(
        name=values.get("machdep.cpu.brand_string", UNKNOWN),
        vendor=values.get("machdep.cpu.vendor", "Apple"),
        family=values.get("machdep.cpu.family", values.get("hw.cpufamily", UNKNOWN)),
        model=values.get("machdep.cpu.model", values.get("machdep.cpu.brand_string", UNKNOWN)),
        stepping=values.get("machdep.cpu.stepping", UNKNOWN),
        vector=tuple(sorted(flag for flag in known if _VECTOR.fullmatch(flag))),
    )


@cache
def processor() -> Processor:
    """The processor of this machine."""
    with suppress(OSError):
        return parse(CPUINFO.read_text(encoding="utf-8", errors="replace"))
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["sysctl", "machdep.cpu", "hw.optional", "hw.cpufamily"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return from_sysctl(dict(line.split(": ", 1) for line in said.splitlines() if ": " in line))
    return Processor(name=platform.processor() or platform.machine() or UNKNOWN)


def memory() -> int:
    """Bytes of memory that this process may have: the machine's, or what its container was given."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # ValueError: "max"
        found = min(found, int(LIMIT.read_text(encoding="ascii")))
    return found


def kind() -> str:
    """`processor().kind`, and what the environment says about the choice of kernels."""
    chosen = [f"{name}={os.environ[name]}" for name in CHOICES if name in os.environ]
    return "; ".join([processor().kind, *chosen])


def described() -> str:
    """For people and for MLflow's tag `environment.cpu`: name, cores that this process may use, kind."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor().name}, {cores} cores; {kind()}"
