"""What `python -m benchmarks.gpu` found, as Markdown tables."""

from collections.abc import Iterator
from typing import Any

from benchmarks import figures
from benchmarks.card.profile import KINDS, OTHER
from benchmarks.card.rows import LAYERS

CASES = ("twice", "alone", "order", "place", "process", "killed")
Rows = list[dict[str, Any]]


def of(found: dict[str, Any]) -> str:
    parts, about = found["parts"], found["about"]
    quick = ", quick: figures of no worth" if about["quick"] else ""
    card = about["card"] if about["device"] == "gpu" else "CPU"
    lines = [f"{card}; commit {about['commit']}; {about.get('seconds', 0):.0f} s in all{quick}"]
    for title, make in (("The same bytes", same), ("Milliseconds per image and step", speed),
                        ("Whole runs", runs), ("Where the time goes", profile)):  # fmt: skip
        if table := make(parts):
            lines += ["", f"### {title}", "", table]
    return "\n".join([*lines, *failures(parts)])


def same(parts: dict[str, Rows]) -> str:
    """Each device, precision and layer in every case: the same bytes as in company, or by how much pixels differ."""
    table: dict[tuple[str, ...], dict[str, str]] = {}
    for row in parts.get("same", []):
        if "layer" in row:
            line = table.setdefault((row["on"], row["precision"], row["layer"]), {})
            if row.get("of_float32"):
                line["robust"] = f"{row['of_float32']:.4f}"
            elif "case" in row:
                line[row["case"]] = "failed" if "failed" in row else "same" if row["same"] else _apart(row)
    heads = ["", *CASES, "robust score by float32's"]
    cells = (*CASES, "robust")
    return _table(heads, [[", ".join(key), *(line.get(one, "") for one in cells)] for key, line in table.items()])


def _apart(row: dict[str, Any]) -> str:
    return f"{row['pixels']} of 255" if row["pixels"] else f"not {', '.join(row['unlike'])}"


def speed(parts: dict[str, Rows]) -> str:
    """Tools by layer and number of images; the last line: the fastest peer's time by cnnviz's."""
    found = [row for row in parts.get("speed", []) if "layer" in row]
    counts = sorted({row["images"] for row in found})
    columns = [(layer, count) for layer in LAYERS for count in counts if any(row["layer"] == layer for row in found)]
    lines: dict[str, dict[Any, float]] = {}
    for row in found:
        lines.setdefault(row["tool"], {})[row["layer"], row["images"]] = row.get("ms", float("nan"))
    named = [[tool, *(_ms(line.get(column)) for column in columns)] for tool, line in lines.items()]
    if any(tool.startswith("torch") for tool in lines):
        ratios = [_best(lines, "torch", column) / _best(lines, "cnnviz", column) for column in columns]
        named.append(["fastest of PyTorch by cnnviz's", *("" if one != one else f"{one:.2f}" for one in ratios)])
    return _table(["", *(f"{layer}, {count}" for layer, count in columns)], named)


def _best(lines: dict[str, dict[Any, float]], start: str, column: Any) -> float:
    known = [line[column] for tool, line in lines.items() if tool.startswith(start) and column in line]
    return min((one for one in known if one == one), default=float("nan"))


def _ms(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.3g}"


def runs(parts: dict[str, Rows]) -> str:
    """From the start of Python to the last file."""
    lines = []
    for part in ("whole", "analyze"):
        kept = parts.get(part, [])
        seconds = next((row["seconds"] for row in kept if "process" in row and "failed" not in row), None)
        of_stage = next((row for row in kept if "stage" in row), {})
        what = f"{of_stage.get('stage', part)} {of_stage.get('model', '')}".strip()
        if seconds is not None:
            filters = str(of_stage.get("rendered_filters", ""))
            lines.append([what, filters, f"{seconds:.1f}", f"{of_stage.get('network_seconds', 0):.1f}"])
    return _table(["", "filters", "seconds", "of these in the network"], lines)


def profile(parts: dict[str, Rows]) -> str:
    """Shares of the kernels' time."""
    found = [row for row in parts.get("profile", []) if "shares" in row]
    heads = ["", *(f"{row['layer']}, {row['images']}, {row['precision']}" for row in found)]
    lines = [[kind, *(f"{row['shares'][kind]:.0%}" for row in found)] for kind in (*KINDS, OTHER)] if found else []
    lines += (
        [["kernels' time by the time from first to last", *(f"{row['busy']:.0%}" for row in found)]] if found else []
    )
    return _table(heads, lines)


def failures(parts: dict[str, Rows]) -> Iterator[str]:
    for part, kept in parts.items():
        for row in kept:
            if "failed" in row:
                where = " ".join(
                    str(row[key]) for key in ("tool", "layer", "images", "precision", "case") if key in row
                )
                yield f"\n{part} {where}: {row['failed']}"


def _table(heads: list[str], lines: Any) -> str:
    kept = list(lines)
    return figures.table(heads, kept) if kept else ""
