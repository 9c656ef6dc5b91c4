"""Single modules of packages whose own start would import more than is installed."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from types import ModuleType

import pytest


def import_bare(name, *, distribution, without=()):
    """A module of another program, without running its package's `__init__`; where the package is missing, the test is skipped.

    Args:
        name: of the module, such as `package.part`.
        distribution: what pip calls the package.
        without: names of modules that it imports and does not use; each is put in as an empty one meanwhile.
    """
    package = name.partition(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None:
        missing = f"{distribution} is not installed: `pip install --no-deps {distribution}` to compare with it."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    bare = ModuleType(package)
    bare.__path__ = list(spec.submodule_search_locations)
    bare.__spec__ = spec
    stand_ins = {package: bare} | {other: _Empty(other) for other in without}
    before = dict(sys.modules)
    sys.modules.update(stand_ins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    finally:
        for other in stand_ins:
            if other in before:
                sys.modules[other] = before[other]
            else:
                del sys.modules[other]


class _Empty(ModuleType):
    """Has whatever is imported from it, and nothing behind the name."""

    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
