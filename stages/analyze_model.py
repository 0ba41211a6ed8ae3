"""Show one model every image once and measure its filters: `python -m stages.analyze_model <model>`."""

import sys

from cnnviz import analysis, config
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"analyze@{key}") as watch:
        params = config.load()
        sets = list(params.images.sets)
        analysis.run(key, params.models[key], params.analyze, sets, ARTIFACTS, watch)


if __name__ == "__main__":
    main(sys.argv[1])
