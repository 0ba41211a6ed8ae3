"""Stage `report`: the files of all earlier stages -> artifacts/report/."""

from cnnviz import params, report
from cnnviz.stage import ARTIFACTS, fresh, stage


def main() -> None:
    with stage("report"):
        settings = params.load()
        report.render(ARTIFACTS, settings, fresh(ARTIFACTS / "report"))


if __name__ == "__main__":
    main()
