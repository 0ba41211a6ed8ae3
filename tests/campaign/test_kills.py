"""The campaign in short: one stage, two kills. `python -m tests.campaign` is the long form."""

import time

import pytest
import yaml

from tests.campaign.kills import MADE, Campaign, Expected, content, digests, removed
from tests.clone import ROOT, Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.long]


def test_what_kills_leave_is_healed(tmp_path_factory: pytest.TempPathFactory) -> None:
    clone = Clone(tmp_path_factory.mktemp("clone"))
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["images"]
    (clone.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"images": stage}}))
    (clone.folder / "artifacts" / "report").mkdir(parents=True)
    (clone.folder / "artifacts" / "report" / "index.html").touch()  # no first look
    begin = time.monotonic()
    done = clone.make()
    assert done.returncode == 0, done.stderr
    expected = Expected(digests(clone.folder), content(clone.folder, {}), time.monotonic() - begin)
    assert "artifacts/images/images.json" in expected.outputs
    assert list(expected.runs) == ["images"]
    made = ("artifacts/images", *(name for name in MADE if name != "artifacts"))
    removed(clone.folder, made)
    campaign = Campaign(clone, expected, seed=3, made=made)
    for result in campaign.run(2):
        assert not result.faults, result.faults
    assert sum(campaign.done.kills.values()) == 2
    assert campaign.done.wholes
