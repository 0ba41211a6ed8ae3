"""results.json -> Markdown."""

from collections.abc import Callable
from typing import Any

from benchmarks.figures import table
from benchmarks.processes import NAMES, OURS, PEERS

Results = dict[str, Any]


def markdown(results: Results) -> str:
    parts = [
        ("Machine", _machine(results)),
        ("Milliseconds per image and step", _speed(results)),
        ("Peak memory", _memory(results)),
        ("Share of the peak", _share(results)),
        ("Time to the fastest peer's robust score", _to_score(results)),
        ("Scores at the wall time that the fastest peer needs", _equal_time(results)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts)


def _per_layer(results: Results, tools: tuple[str, ...], cell: Callable[[str, str], str]) -> str:
    layers = list(results["speed"])
    return table(["", *layers], [[NAMES[t], *(cell(layer, t) for layer in layers)] for t in tools])


def _machine(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    peaks = ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in machine["peaks"].items())
    versions = results["versions"]["xplique"]
    said = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{machine['cpu']}, {machine['threads']} threads. Measured peaks: {peaks}.\n\n{said}.\n\n"
        f"`{results['command']}`: {settings['filters_per_layer']} filters per layer, {settings['size']} px, "
        f"{settings['timed_steps']} timed steps, best of {settings['rounds']} alternating rounds."
    )


def _speed(results: Results) -> str:
    def cell(layer: str, tool: str) -> str:
        ms = results["speed"][layer][tool]["ms"]
        return f"{ms['min']:.1f} ({ms['median']:.1f})"

    def snapshot(layer: str, tool: str) -> str:
        return f"{results['speed'][layer][tool]['snapshot_ms']['min']:.0f}"

    def ratio(layer: str, tool: str) -> str:
        return f"{results['speedup'][layer][tool]:.2f}x"

    batches = {t: {results["speed"][layer][t]["batch"] for layer in results["speed"]} for t in PEERS}
    alone = [NAMES[t] for t, sizes in batches.items() if sizes == {1}]
    return (
        f"Best round, the median in brackets. One filter at a time: {', '.join(alone) or 'none'}.\n\n"
        + _per_layer(results, (*PEERS, *OURS), cell)
        + "\n\nOne scored snapshot of an image, five in 100 steps by default, not counted above:\n\n"
        + _per_layer(results, OURS, snapshot)
        + "\n\nImage-steps per second, times the fastest peer's, best rounds:\n\n"
        + _per_layer(results, OURS, ratio)
    )


def _memory(results: Results) -> str:
    rows = [[NAMES[tool], f"{mb:.0f}"] for tool, mb in results["memory_mb"].items()]
    return "Resident, one process per tool, after the timing of all layers.\n\n" + table(["", "MB"], rows)


def _share(results: Results) -> str:
    work = results["work"]
    rows = [
        [layer, f"{found['gflop']:.2f}", *(f"{found['share'][tool]:.0%}" for tool in OURS)]
        for layer, found in work.items()
    ]
    return table(["", "necessary GFLOP per image and step", *(NAMES[tool] for tool in OURS)], rows)


def _seconds(found: dict[str, Any]) -> str:
    return f"{found['reached']:.1f} s" if found["reached"] is not None else f"not in {found['limit']:.0f} s"


def _to_score(results: Results) -> str:
    tables = []
    for layer, targets in results["to_score"].items():
        tools = list(next(iter(targets.values()))["tools"])
        rows = []
        for peer, found in targets.items():
            times = [_seconds(found["tools"][tool]) for tool in tools]
            faster = found["times_faster"]
            whole = f"{found['target']:.1f} after {found['default_seconds']:.1f} s"
            rows.append([NAMES[peer], whole, *times, f"{faster:.1f}x" if faster else "-"])
        header = [
            f"{layer}: score of",
            "robust, at its default steps",
            *(NAMES[tool] for tool in tools),
            "cnnviz faster",
        ]
        tables.append(table(header, rows))
    count = results["settings"]["score_filters"]
    return f"Seconds for {count} filters, all at once where the tool can; medians over them.\n\n" + "\n\n".join(tables)


def _equal_time(results: Results) -> str:
    rows = []
    for layer, tools in results["equal_time"].items():
        for tool, found in tools.items():
            if found is None:
                rows.append([layer, NAMES[tool], "-", "-", "-", "-"])
                continue
            scores = [f"{found['scores'][name]:.1f}" for name in ("robust", "activation")]
            rows.append([layer, NAMES[tool], str(found["step"]), f"{found['seconds']:.1f}", *scores])
    return "A tool that is done with its default steps earlier stops there.\n\n" + table(
        ["", "tool", "steps", "seconds", "robust", "activation"], rows
    )
