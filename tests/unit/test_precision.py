"""Where double precision ends, a fit says so in words."""

import pytest

import kmeta as km
from kmeta.core.errors import ConvergenceError

MODS = {"a": [1, 2, 4, 3]}


@pytest.mark.parametrize(
    ("yi", "vi", "mods"),
    [
        ([0.1, 0.2, 0.3, 0.5], [1e-100, 1e40, 1, 1], MODS),
        ([1e100, 0.2, 0.3, 0.5], [1, 1, 1, 1], None),
        ([1e100, 0.2, 0.3, 0.5], [1e-12, 1, 1, 1], MODS),
    ],
)
def test_numbers_too_far_apart_are_no_bare_traceback(yi, vi, mods):
    with pytest.raises(ConvergenceError) as caught:
        km.random_effects(yi, vi, measure="HR", mods=mods)
    assert "double precision" in str(caught.value)
    assert caught.value.hint
