"""A short run of `bench trust`: killed writers lose nothing they acknowledged, and no changed row goes unnoticed."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trust():
    spec = importlib.util.spec_from_file_location("kmeta_bench_trust", ROOT / "bench" / "trust.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="the killed writers are forked")
def test_two_writers_killed_twelve_times_lose_nothing(trust):
    tried, wrong, note = trust.measure_kills(trust._records(Path("absent")), 12, per_review=6)
    assert wrong == []
    assert tried == 12
    assert int(note.split()[0]) > 100, "and they did work"


def test_forty_tampers_are_all_found(trust):
    tried, missed, _ = trust.measure_tampers(trust._records(Path("absent")), 40)
    assert missed == []
    assert tried == 40
