"""Render the filters that params.yaml chooses of one model: `python -m stages.maximize_filters <model>`."""

import sys

from cnnviz import config, maximization
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"maximize@{key}") as watch:
        params = config.load()
        sets = list(params.images.sets)
        maximization.run(key, params.models[key], params.maximize, params.random_seed, sets, ARTIFACTS, watch)


if __name__ == "__main__":
    main(sys.argv[1])
