"""Save filters as a frozen layer: `python -m cnnviz.borrowing vgg16 block1_conv1 --filters 0 9 37 --to edges.keras`."""

import argparse
import sys
from collections.abc import Sequence

from cnnviz import filters
from cnnviz.errors import InputError
from cnnviz.files import use_defaults


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnviz.borrowing", description="Save filters as a frozen layer.")
    parser.add_argument("model", help="key of a model in artifacts/models, or a .keras or .h5 file")
    parser.add_argument("layer")
    parser.add_argument("--filters", type=int, nargs="+", help="their numbers; all by default")
    parser.add_argument("--to", required=True, help="<name>.keras; <name>.npz is written beside it")
    given = parser.parse_args(words)
    try:
        use_defaults()
        for path in filters.borrow(given.model, given.layer, given.filters).save(given.to):
            print(path)
    except InputError as problem:
        sys.exit(f"error: {problem}")


if __name__ == "__main__":
    main()
