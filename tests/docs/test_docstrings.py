"""Every example in a docstring is run, in every module of the package."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import kmeta

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(kmeta.__path__, "kmeta.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_a_module_hold(name):
    done = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert done.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(bool(test.examples) for name in MODULES for test in finder.find(import_module(name))) > 50
