"""A disk that is full at many moments of `make repro`: one line each time, and with more room the whole comes out."""

import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.campaign.kills import Expected, content, digests, removed
from tests.clone import Clone

ENOUGH = 4096  # MB
TIMES = 12


def mounted(folder: Path, megabytes: int, again: bool = False) -> None:
    """A file system in memory of that size; again: with another size from now on."""
    folder.mkdir(exist_ok=True, parents=True)
    options = f"{'remount,' if again else ''}size={megabytes}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)


def run(expected: Expected, folder: Path, make: Callable[[Path], Clone], seed: int) -> list[str]:
    """Fill the disk at TIMES moments. Returns the faults."""
    rng, faults, said = random.Random(seed), [], []
    mounted(folder, ENOUGH)
    try:
        clone = make(folder / "clone")
        empty = _used(folder)
        first = clone.run("make", "repro")
        whole = _used(folder) - empty
        print(f"the whole takes {whole} MB; status {first.returncode}", flush=True)
        for number in range(TIMES):
            removed(clone.folder)
            room = rng.uniform(0, 0.9 * whole)
            mounted(folder, int(_used(folder) + room) + 1, again=True)
            short = clone.run("make", "repro")
            text = short.stdout + short.stderr
            line = next((one for one in text.splitlines() if "o space left" in one or "is full" in one), "")
            said.append(line)
            print(f"{number + 1}: {room:.0f} MB of room, status {short.returncode}: {line[:200]}", flush=True)
            if "Traceback" in text:
                faults.append(f"with {room:.0f} MB: {text[text.index('Traceback') :][:1500]}")
            if short.returncode and not line:
                faults.append(f"with {room:.0f} MB: no line names the full disk: {text[-800:]}")
            mounted(folder, ENOUGH, again=True)
            healed = clone.run("make", "repro")
            if healed.returncode:
                faults.append(f"with {room:.0f} MB, then enough: {healed.stdout[-500:]}{healed.stderr[-500:]}")
            elif (digests(clone.folder), content(clone.folder, {})) != (expected.outputs, expected.runs):
                faults.append(f"with {room:.0f} MB, then enough: other outputs or runs")
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
    return faults


def _used(folder: Path) -> int:
    """Megabytes."""
    return shutil.disk_usage(folder).used >> 20
