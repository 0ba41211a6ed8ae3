"""Are the outputs here those that the committed dvc.lock, or another clone, describes, or how far apart?

Exit status: 0 if every output that both have is the same bytes; 1 if not, however near; 2 if nothing can be compared.
"""

import argparse
import sys

from cnnviz.errors import InputError, printable
from cnnviz.files import drop_chatter, use_defaults
from cnnviz.verify import other
from cnnviz.verify.comparing import compare
from cnnviz.verify.wording import lines


def main() -> int:
    parser = argparse.ArgumentParser("python -m cnnviz.verify", description=__doc__)
    where = "another clone, its folder artifacts, a dvc.lock, or a commit of this repository (default: HEAD)"
    parser.add_argument("other", nargs="?", help=where)
    given = parser.parse_args().other
    drop_chatter()
    try:
        use_defaults()
        there = other.find(given)
        found = compare(there)
        said = list(lines(found, there.title, other.here(), other.processors(there.root)))
    except InputError as problem:
        print(f"error: {printable(str(problem))}", file=sys.stderr)
        return 2
    for line in said:
        print(printable(line))
    return 1 if found.differing or found.unlike else 0


if __name__ == "__main__":
    sys.exit(main())
