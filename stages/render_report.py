"""Stage `report`: the files of all earlier stages -> artifacts/report."""

from cnnviz import config, report
from cnnviz.files import ARTIFACTS, fresh, stage


def main() -> None:
    with stage("report"):
        report.render(ARTIFACTS, config.load(), fresh(ARTIFACTS / "report"))


if __name__ == "__main__":
    main()
