"""Show in MLflow what dvc.lock holds: `python -m stages.track`. It adds what is missing: call it at any time."""

from cnnviz import sync
from cnnviz.stage import stage


def main() -> None:
    with stage("track"):
        print(sync.run())


if __name__ == "__main__":
    main()
