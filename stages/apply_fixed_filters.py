"""Stage `fixed_filters`: hand-made, Gabor and borrowed kernels on an image set -> artifacts/fixed_filters."""

from cnnviz import config, filters
from cnnviz.files import ARTIFACTS, stage


def main() -> None:
    with stage("fixed_filters"):
        filters.apply(config.load().fixed_filters, ARTIFACTS)


if __name__ == "__main__":
    main()
