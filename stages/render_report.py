"""Stage `report`: the files of all earlier stages -> artifacts/report."""

from cnnviz import config, report
from cnnviz.files import ARTIFACTS, alone, fresh, stage


def main() -> None:
    with stage("report"), alone("report"):  # a first look may be about to put its preview there
        params = config.load()
        notes = config.read_notes(params)
        report.render(ARTIFACTS, params, fresh(ARTIFACTS / "report"), notes=notes)


if __name__ == "__main__":
    main()
