"""Show in MLflow what dvc.lock holds: `python -m stages.track`. It adds what is missing: call it at any time."""

from cnnviz import tracking
from cnnviz.files import stage


def main() -> None:
    with stage("track"):
        print(tracking.run())


if __name__ == "__main__":
    main()
