"""What is known of filters in words: what they tell apart (words.csv of the analysis), what people wrote."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

from cnnviz.report.data import Facts

SURE = 0.05  # p after correction below which the words are more than chance
NUMBERS = ("auroc", "p", "corrected")


def read(path: Path) -> dict[str, dict[int, list[Facts]]]:
    """By layer and filter the rows of words.csv, numbers as such; `sure`: whether they are more than chance."""
    found: dict[str, dict[int, list[Facts]]] = defaultdict(lambda: defaultdict(list))
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                numbers = {name: float(row[name]) for name in NUMBERS}
                facts = {"set": row["set"], "words": row["words"], "of": int(row["of"]), "images": int(row["images"])}
                facts |= numbers | {"tested": int(row["tested"]), "sure": numbers["corrected"] < SURE}
                found[row["layer"]][int(row["filter"])].append(facts)
    return found


def of_page(layer: Any, k: int) -> Facts:
    """`note`, empty where there is none, and `told`, the rows on filter k."""
    noted, told = layer.model.notes.get(layer.name, {}), layer.model.words.get(layer.name, {})
    return {"note": noted.get(k, ""), "told": told.get(k, [])}


def searchable(layer: Any) -> list[list[Any]]:
    """What the search finds the filters of a layer by: [filter, text] each, notes first."""
    noted = [[k, text] for k, text in layer.model.notes.get(layer.name, {}).items()]
    told = layer.model.words.get(layer.name, {})
    return noted + [[k, row["words"]] for k, rows in told.items() for row in rows if row["sure"]]
