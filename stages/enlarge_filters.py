"""Render the filters of `enlarge` in params.yaml on canvases of their own -> artifacts/enlarge."""

from cnnviz import config, maximization
from cnnviz.files import ARTIFACTS, stage


def main() -> None:
    with stage("enlarge") as watch:
        params = config.load()
        sets = list(params.images.sets)
        maximization.enlarge(params.enlarge, params.maximize, params.random_seed, sets, ARTIFACTS, watch)


if __name__ == "__main__":
    main()
