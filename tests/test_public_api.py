"""The public surface is a list, and these hold it."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from types import ModuleType

import pytest

import perpkit
import perpkit.core
from perpkit.core import errors, models

SURFACES = ["perpkit", "perpkit.core", "perpkit.core.models"]


@pytest.fixture(params=SURFACES)
def surface(request: pytest.FixtureRequest) -> ModuleType:
    """A package whose names users or plugin authors import."""
    return importlib.import_module(request.param)


def test_the_list_is_sorted_and_every_name_is_there(surface: ModuleType):
    """`__all__` is sorted, names nothing twice, and each name resolves."""
    assert surface.__all__ == sorted(set(surface.__all__))
    assert [name for name in surface.__all__ if not hasattr(surface, name)] == []


def test_nothing_public_is_left_off_the_list(surface: ModuleType):
    """What can be reached by a public name, modules apart, is on the list."""
    reachable = {
        name
        for name, value in vars(surface).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert reachable - set(surface.__all__) == set()


def test_every_public_class_and_function_says_what_it_is(surface: ModuleType):
    """Each has a docstring of its own."""
    silent = [
        name
        for name in surface.__all__
        if (inspect.isclass(value := getattr(surface, name)) or inspect.isfunction(value)) and not value.__doc__
    ]
    assert silent == []


def test_the_package_holds_names_and_no_logic():
    """`perpkit/__init__.py` is imports and lists; its one function brings the network stack at its first use."""
    tree = ast.parse(inspect.getsource(perpkit))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert functions == ["__getattr__"]
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.If, ast.Expr, ast.FunctionDef)
    assert [type(node).__name__ for node in tree.body if not isinstance(node, allowed)] == []
    assert [ast.unparse(node.test) for node in tree.body if isinstance(node, ast.If)] == ["typing.TYPE_CHECKING"]
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    assert assigned == {"__all__", "__version__", "_LAZY"}


def test_the_network_stack_comes_at_its_first_use():
    """A script that only uses models does not pay for aiohttp, and the lazy names are the real ones."""
    look = "import sys, perpkit; print('aiohttp' in sys.modules); perpkit.Venue; print('aiohttp' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["False", "True"]
    assert perpkit.open_venue is importlib.import_module("perpkit.core.opening").open_venue


def test_every_error_can_be_caught_by_a_public_name():
    """A user writes `except perpkit.OutcomeUnknownError` for whichever class of the tree."""
    tree = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert tree - set(perpkit.__all__) == set()


def test_every_model_can_be_named_by_a_user():
    """Whatever a call returns or takes, a user can annotate and construct it."""
    internal = {"Model"}
    named = {name for name in models.__all__ if inspect.isclass(getattr(models, name))}
    assert named - internal - set(perpkit.__all__) == set()
