"""Stage `images`: the image sets of params.yaml -> artifacts/images."""

from cnnviz import config, images
from cnnviz.files import ARTIFACTS, stage


def main() -> None:
    with stage("images"):
        images.run(config.load().images, ARTIFACTS)


if __name__ == "__main__":
    main()
