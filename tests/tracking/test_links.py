"""What tracking hands to the pages of the report."""

import json
import re
from pathlib import Path

import pytest

from cnnviz.tracking import links
from cnnviz.tracking.lockfile import Entry, Out


def test_rows_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Out(Path("artifacts/maximize/one"), "abc.dir", 10, 2)
    entries = [Entry(f"{stage}@one", stage, "one", "k", "", {}, (out,)) for stage in ("weights", "maximize")]
    base = "http://127.0.0.1:5000"
    run = ("MLflow run", "r1", f"{base}/#/experiments/7/runs/r1?workflowType=machine_learning")
    hashed = ("DVC output", "artifacts/maximize/one abc.dir", None)
    assert links.rows(base, "7", {"one": "r1", "two": "r2"}, entries) == {
        "one": [run, hashed],
        "two": [("MLflow run", "r2", f"{base}/#/experiments/7/runs/r2?workflowType=machine_learning")],
    }
    timing = tmp_path / ".cache/timings/maximize@one.json"
    timing.parent.mkdir(parents=True)
    parts = {
        "conv": {"seconds": 21.25, "network_seconds": 20, "peak_memory_mb": 900},
        "again": {"seconds": 0.4, "network_seconds": 0, "peak_memory_mb": 900},
    }
    cpu = "A CPU, 2 cores; Vendor family 6 model 207 stepping 2: avx fma"
    numbers = {"seconds": 61.6, "network_seconds": 50, "cpu_seconds": 70, "peak_memory_mb": 1234.5}
    timing.write_text(json.dumps({**numbers, "started": 1.0, "ended": 62.6, "parts": parts, "cpu": cpu}))
    found = links.rows(base, "7", {"one": "r1"}, entries)
    assert found["one"][2] == ("rendered on", cpu, None)
    assert found["one"][3] == ("all layers rendered in", "61.6 s, 1,234 MB at most", None)
    assert found["one/conv"] == [("this layer rendered in", "21.2 s, 900 MB at most", None)]
    assert found["one/again"][0][1] == "no time: its images were in the render cache"


def test_links_lead_to_the_port_that_was_asked_for_until_a_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "links.html"
    for given, port in (("", 5000), ("5077", 5077), ("tcp://10.0.0.1:80", 5000)):
        monkeypatch.setenv("PORT", given)
        assert links.base(file) == f"http://127.0.0.1:{port}"
    links.write(links.rows("http://127.0.0.1:5099", "7", {"one": "r1"}, []), file)
    assert links.base(file) == "http://127.0.0.1:5099"


def test_what_is_written_stays_data(tmp_path: Path) -> None:
    found = {"</script><b>": [("MLflow run", "r", None)]}
    links.write(found, tmp_path / "links.html")
    text = (tmp_path / "links.html").read_text()
    assert text.count("</script>") == 1
    (data,) = re.findall(r"postMessage\((.*), \"\*\"\)", text)
    assert json.loads(data) == {"</script><b>": [["MLflow run", "r", None]]}
