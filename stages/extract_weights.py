"""A model's convolution kernels -> artifacts/weights: `python -m stages.extract_weights <model>`."""

import sys

from cnnviz import config, filters
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"weights@{key}"):
        filters.extract(key, config.load().weights, ARTIFACTS)


if __name__ == "__main__":
    main(sys.argv[1])
