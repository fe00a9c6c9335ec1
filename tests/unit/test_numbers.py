"""The printed form of numbers: one rule for figures, tables and sentences."""

import doctest

from kmeta.core import numbers


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(numbers).failed == 0


def test_not_a_number_prints_as_missing():
    nan = float("nan")
    assert {numbers.ratio(nan), numbers.percent(nan), numbers.months(nan), numbers.p_value(nan)} == {"–"}
