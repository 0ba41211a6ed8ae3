"""Stage `images`: the image sets of params.yaml -> artifacts/images."""

from cnnviz import config, images
from cnnviz.files import ARTIFACTS, check_brought, stage


def main() -> None:
    with stage("images"):
        section = config.load().images
        check_brought((f"images.sets.{name}.folder", one.folder) for name, one in section.sets.items())
        images.run(section, ARTIFACTS)


if __name__ == "__main__":
    main()
