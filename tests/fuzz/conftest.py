"""How long fuzzing takes: the same few examples in every test run, others in each round of `python -m tests.fuzz`."""

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
COMMON = {"database": None, "deadline": None, "suppress_health_check": SLOW}
settings.register_profile("short", derandomize=True, max_examples=25, **COMMON)
settings.register_profile("long", max_examples=300, print_blob=True, **COMMON)
settings.load_profile("short")
