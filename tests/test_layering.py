"""Imports point one way, and the check that says so can fail."""

from __future__ import annotations

import pytest

from tests.source_rules import Module, imports_point_one_way, libraries_stay_behind_their_door, source_modules


def test_imports_point_one_way():
    """Every module of the wheel imports only what its layer may."""
    offences = [str(offence) for module in source_modules() for offence in imports_point_one_way(module)]
    assert not offences, "\n".join(offences)


def test_libraries_stay_behind_their_door():
    """Libraries that lose digits, block or weigh are imported in their one place."""
    offences = [str(offence) for module in source_modules() for offence in libraries_stay_behind_their_door(module)]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("perpkit.core.venue", "import perpkit.adapters.paradex"),
        ("perpkit.core.venue", "from perpkit import adapters"),
        ("perpkit.core.venue", "from ..crypto import stark"),
        ("perpkit.core.plugins", "import importlib\nimportlib.import_module('perpkit.adapters.paradex')"),
        ("perpkit.core.models.order", "from perpkit import open_venue"),
        ("perpkit.crypto.stark", "from perpkit.adapters.paradex import signing"),
        ("perpkit.sim.engine", "from perpkit.core import errors"),
        ("perpkit.sim.engine", "from perpkit.core.errors import PerpkitError"),
        ("perpkit.sim.engine", "from perpkit.core import wire_json"),
        ("perpkit.sim.venues.paradex.wire", "from perpkit.adapters.paradex import schema"),
        ("perpkit.sim.venues.paradex.wire", "def f():\n    from perpkit.adapters.paradex.schema import Order"),
        ("perpkit.sim.venues.extended.wire", "from perpkit.sim.venues.paradex import verify"),
        ("perpkit.sim.venues.extended.wire", "from ..paradex import verify"),
        ("perpkit.adapters.paradex.venue", "from perpkit.sim.engine import Engine"),
        ("perpkit.adapters.paradex.venue", "from perpkit.adapters.extended import signing"),
        ("perpkit.adapters.paradex.venue", "from perpkit.cli import render"),
        ("perpkit.funding.rates", "from perpkit.adapters.paradex import ParadexVenue"),
        ("perpkit.hummingbot.connector", "from perpkit.funding import rates"),
        ("perpkit_conformance.suite.test_orders", "from perpkit.adapters.paradex import ParadexVenue"),
        ("perpkit_conformance.suite.test_orders", "from perpkit.sim.engine import Engine"),
        ("perpkit_conformance.profiles.paradex", "from perpkit.adapters.paradex import endpoints"),
        ("perpkit", "from perpkit.cli import main"),
    ],
)
def test_an_import_against_the_grain_is_caught(name: str, line: str):
    """The rule finds each planted import, absolute, relative, nested or by name."""
    assert list(imports_point_one_way(Module(name, line)))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("perpkit.core.venue", "from perpkit.core.models import Order\nfrom .errors import PerpkitError"),
        ("perpkit.sim.engine", "from perpkit.core.models.order import Side\nfrom perpkit.core.clock import Clock"),
        ("perpkit.sim.engine", "from perpkit.core import clock\nfrom perpkit.crypto import stark\nimport aiohttp"),
        ("perpkit.sim.venues.paradex.wire", "from perpkit.sim.exchange import Exchange\nfrom . import verify"),
        ("perpkit.adapters.paradex.venue", "from perpkit.core import hookimpl\nfrom perpkit.crypto.stark import sign"),
        ("perpkit.cli.demo", "from perpkit.sim.venues.paradex import server\nfrom perpkit import open_venue"),
        ("perpkit_conformance.suite.test_orders", "from perpkit.sim.control import Control\nfrom .. import rules"),
        ("perpkit_conformance.profiles.paradex", "from perpkit.sim.venues.paradex import LocalParadex"),
        ("perpkit", "from perpkit.core.venue import Venue"),
    ],
)
def test_an_import_along_the_grain_is_allowed(name: str, line: str):
    """The rule lets through what the layers are for."""
    assert not list(imports_point_one_way(Module(name, line)))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("perpkit.adapters.paradex.rest", "import json"),
        ("perpkit.core.transport.http", "from json import loads"),
        ("perpkit.adapters.paradex.rest", "import requests"),
        ("perpkit.adapters.paradex.signing", "import fast_stark_crypto"),
        ("perpkit.core.venue", "import ccxt.pro"),
        ("perpkit.core.venue", "def f():\n    import paradex_py"),
        ("perpkit.core.venue", "from hummingbot.core import clock"),
        ("perpkit.core.venue", "import rich"),
    ],
)
def test_a_library_outside_its_door_is_caught(name: str, line: str):
    """The rule finds each planted library."""
    assert list(libraries_stay_behind_their_door(Module(name, line)))


def test_a_library_at_its_door_is_allowed():
    """The one place for each library may import it."""
    for name, line in [
        ("perpkit.core.transport.wire_json", "import json"),
        ("perpkit.sim.venues.paradex.wire", "import json"),
        ("perpkit.crypto.stark", "import fast_stark_crypto"),
        ("perpkit.cli.demo", "from rich.table import Table"),
    ]:
        assert not list(libraries_stay_behind_their_door(Module(name, line)))
