"""The kind of processor, read from what real machines say of themselves."""

import dataclasses

import pytest

from cnnviz.files import machine

# As their /proc/cpuinfo prints them, with fewer flags: both are an "AMD EPYC", and they write different bytes
ZEN4 = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
flags\t\t: fpu sse4_2 avx avx2 fma lahf_lm avx512f avx512_bf16

processor\t: 1
model\t\t: 99
"""
ZEN5 = ZEN4.replace(": 25", ": 26").replace(": 17", ": 2").replace("stepping\t: 1", "stepping\t: 0")
GRAVITON = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd aes sha2 sve i8mm bf16
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""


def test_two_processors_of_one_name_are_two_kinds() -> None:
    one, other = machine.parse(ZEN4), machine.parse(ZEN5)
    assert one.name == other.name == "AMD EPYC"
    assert one.kind == "AuthenticAMD family 25 model 17 stepping 1: avx avx2 avx512_bf16 avx512f fma sse4_2"
    assert other.kind.startswith("AuthenticAMD family 26 model 2 stepping 0: ")
    assert one.has_bfloat16
    assert not machine.parse(ZEN4.replace("avx512_bf16", "")).has_bfloat16


def test_fewer_vector_instructions_are_another_kind() -> None:
    """A virtual machine may hide some of the processor's."""
    assert machine.parse(ZEN4).kind != machine.parse(ZEN4.replace(" avx512f", "")).kind
    assert machine.parse(ZEN4).kind == machine.parse(ZEN4.replace(" lahf_lm", "")).kind  # computes nothing


def test_arm_and_a_file_that_says_nothing() -> None:
    assert machine.parse(GRAVITON).kind == "0x41 family 8 model 0xd40 stepping 1: asimd bf16 i8mm sve"
    assert machine.parse("").kind == "unknown family unknown model unknown stepping unknown: unknown"


def test_macos() -> None:
    said = {"machdep.cpu.brand_string": "Apple M2", "hw.optional.arm.FEAT_BF16": "1", "hw.optional.arm.FEAT_SME": "0"}
    found = machine.from_sysctl(said)
    assert (found.name, found.model, found.vector) == ("Apple M2", "Apple M2", ("bf16",))
    intel = {"machdep.cpu.vendor": "GenuineIntel", "machdep.cpu.model": "158", "machdep.cpu.features": "SSE4.2 AVX1.0"}
    assert machine.from_sysctl(intel).vector == ("avx1_0", "sse4_2")


def test_the_environment_may_choose_other_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = machine.kind()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert machine.kind() == f"{plain}; TF_ENABLE_ONEDNN_OPTS=0"


def test_this_machine_is_known() -> None:
    found = dataclasses.asdict(machine.processor())
    assert all(value and value != machine.UNKNOWN for value in found.values()), found
