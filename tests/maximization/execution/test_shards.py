"""Shares of a work: which parts each makes, what is said of a wrong one, and of shards on machines of two kinds."""

from pathlib import Path

import pytest

from cnnviz.errors import InputError
from cnnviz.files import machine
from cnnviz.maximization.execution import kinds, shards
from cnnviz.maximization.execution.work import Part

SIZES = {"a": (40, 1.0), "b": (64, 3.0), "c": (8, 10.0)}  # layer: filters, how long each takes


def parts() -> list[Part]:
    whole = [Part(name, tuple(range(n)), n * 100, n * each) for name, (n, each) in SIZES.items()]
    return [*(part for one in whole for part in one.split(8)), Part("", (), 64, 60.0, objective="mixed")]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_shards_are_everything_once_and_of_like_cost(count: int) -> None:
    every = parts()
    shares = [shards.share(every, number, count) for number in range(1, count + 1)]
    assert [part for share in shares for part in share] == every
    whole, longest = sum(part.effort for part in every), max(part.effort for part in every)
    for share in shares:  # half a part more or less at each end
        assert abs(sum(part.effort for part in share) - whole / count) <= longest


def test_a_part_is_split_in_its_order() -> None:
    whole = Part("a", (5, 3, 9, 1, 7), 50, 10.0)
    assert [part.filters for part in whole.split(2)] == [(5, 3), (9, 1), (7,)]
    assert [part.steps for part in whole.split(2)] == [20, 20, 10]
    assert [part.effort for part in whole.split(2)] == [4.0, 4.0, 2.0]
    one = Part("", (), 64, 60.0, objective="mixed")
    assert one.split(1) == [one]


@pytest.mark.parametrize(
    "text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1.5/4", "1/4\n", "1 / 4", "٣/٤"]
)
def test_a_share_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^--shard: given '.*'; expected i/n, from 1/n to n/n, such as 3/32$"):
        shards.parse(text)
    assert shards.parse("32/32") == (32, 32)


def test_the_first_shard_decides_on_which_kind_of_machine_all_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = kinds.here()
    kinds.join_shards(tmp_path, "refuse")
    kinds.join_shards(tmp_path, "refuse")
    assert kinds.of_shards(tmp_path) is not None
    assert kinds.of_shards(tmp_path)[0] == own  # type: ignore[index]
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")  # other bytes, as on another processor
    assert machine.kind() != own.parts[3]
    with pytest.raises(
        InputError,
        match=r"another kind of machine: \S+ has nothing that chooses kernels in its environment, here ONEDNN\w+=BF16;",
    ) as no:
        kinds.join_shards(tmp_path, "refuse")
    assert "\n" not in str(no.value)
    kinds.join_shards(tmp_path, "apart")
    assert kinds.of_shards(tmp_path)[0] == own  # type: ignore[index]
    for broken in ("", "{}", '{"parts": ['):  # as a kill may leave it
        (tmp_path / kinds.NOTE).write_text(broken)
        assert kinds.of_shards(tmp_path) is None
        kinds.join_shards(tmp_path, "refuse")
        assert kinds.of_shards(tmp_path)[0] == kinds.here()  # type: ignore[index]
        assert [one.name for one in tmp_path.iterdir()] == [kinds.NOTE]


def test_which_kind_makes_all_pictures() -> None:
    own = kinds.here()
    old = kinds.Kind(("2.19.0", *own.parts[1:]), own.precision)
    arm = kinds.Kind((*own.parts[:3], "0x41 family 8 model 0xd40 stepping 1: asimd"), "float32")
    gpu = kinds.Kind((*own.parts, "NVIDIA H100"), own.precision)
    assert kinds.chosen([arm, own, arm], "apart") == own
    assert kinds.chosen([arm, old, arm], "apart") == arm
    assert kinds.chosen([arm, old, arm], "refuse") == own
    assert own.unlike(own) == ""
    assert own.unlike(old) == f"TensorFlow 2.19.0, here {own.parts[0]}"
    assert own.unlike(arm).startswith("a processor 0x41 family 8 model 0xd40 stepping 1, here ")
    isa = kinds.Kind((*own.parts[:3], f"{own.parts[3].split(';')[0]} sse5; ONEDNN_MAX_CPU_ISA=SSE41"), own.precision)
    assert own.unlike(isa) == "a processor that differs in: sse5"
    assert own.unlike(gpu) == "computes on NVIDIA H100, here no GPU"
