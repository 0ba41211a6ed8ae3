"""Stage `compare`: what all models did on the same images, side by side -> artifacts/compare. Runs no network."""

from cnnviz import comparison, config
from cnnviz.files import ARTIFACTS, stage


def main() -> None:
    with stage("compare"):
        params = config.load()
        comparison.run(params.compare, list(params.models), list(params.images.sets), ARTIFACTS)


if __name__ == "__main__":
    main()
