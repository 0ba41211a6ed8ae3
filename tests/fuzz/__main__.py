"""Fuzzing for as long as one likes: `python -m tests.fuzz --minutes 30 [--seed 1] [pytest's words]`.

Round after round with new examples, until the time is over or one of them fails, which is then printed in its smallest
form. Also a round that is under way is finished.
"""

import argparse
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each next one has the next")
    given, more = parser.parse_known_args()
    end, seed = time.monotonic() + 60 * given.minutes, given.seed
    while time.monotonic() < end:
        print(f"round of seed {seed}, {max(0, end - time.monotonic()) / 60:.0f} minutes left", flush=True)
        words = [str(HERE), "--hypothesis-profile=long", f"--hypothesis-seed={seed}", "-p", "no:cacheprovider", *more]
        if status := pytest.main(words):
            return int(status)
        seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
