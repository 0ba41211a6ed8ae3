"""The few numbers of a model for `dvc metrics show`, named and defined as in MLflow (docs/tracking.md)."""

from pathlib import Path

from cnnviz.report import data

SHOWN = ("accuracy", "ok_share", "dead_share", "median_against_nature")  # what a screen of 120 columns has room for


def of_model(artifacts: Path, key: str) -> dict[str, float | None]:
    """The numbers by name, in the order of SHOWN; None where one could not be measured."""
    rendered = data.read(artifacts / "maximize" / key / "metrics.json")
    found = rendered | data.read(artifacts / "analysis" / key / "metrics.json")
    if count := rendered.get("rendered_filters"):
        found |= {f"{state}_share": rendered[f"{state}_filters"] / count for state in data.STATES}
    return {name: data.number(found.get(name)) for name in SHOWN}
