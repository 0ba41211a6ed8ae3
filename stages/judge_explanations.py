"""Judge whether one model's pictures explain its filters: `python -m stages.judge_explanations <model>`."""

import sys

from cnnviz import config, judging
from cnnviz.files import ARTIFACTS, stage


def main(key: str) -> None:
    with stage(f"judge@{key}") as watch:
        params = config.load()
        judging.run(key, params.models, params.judge, list(params.images.sets), ARTIFACTS, watch)


if __name__ == "__main__":
    main(sys.argv[1])
