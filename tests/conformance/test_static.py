"""The static checks find each planted defect, and let what only looks like one pass."""

from __future__ import annotations

import sys
import textwrap

import pytest
from perpkit_conformance import static
from perpkit_conformance.static import Source

from perpkit.core.hookspecs import hookimpl


def source(text: str) -> list[Source]:
    return [Source("planted", textwrap.dedent(text))]


class Empty:
    """Every kind of hook that does nothing."""

    @hookimpl
    async def fetch_balances(self):
        pass

    @hookimpl
    async def fetch_positions(self):
        """It says something and does nothing."""

    @hookimpl
    async def fetch_fills(self, market):
        return []

    @hookimpl
    async def fetch_order(self, order):
        return {"status": "open"}

    @hookimpl
    async def fetch_account(self):
        raise NotImplementedError

    @hookimpl
    async def set_leverage(self, market, leverage):
        logger.info("leverage is now %s", leverage)  # noqa: F821
        return leverage

    @hookimpl
    async def fetch_ticker(self, market):
        import asyncio

        await asyncio.sleep(0)
        return self.last

    @hookimpl
    async def stop(self):
        pass


class Full:
    """Hooks that can do their work."""

    @hookimpl
    def describe_venue(self):
        return self.description

    @hookimpl
    async def start(self):
        self.ready = True

    @hookimpl
    async def fetch_balances(self):
        return await self.rest.balances()

    @hookimpl
    async def fetch_fills(self, market):
        return [each async for each in self.pages(market)]

    @hookimpl
    async def fetch_trades(self, market):
        async with self.lock:
            return self.tape[market]

    async def helper(self):
        return []


def test_every_placeholder_is_found():
    """M1, M2 and M3: empty, constant, talking only, never asking."""
    found = {each.what.partition("(")[0]: each.what for each in static.placeholders(Empty)}
    assert {name: what.partition("() ")[2] for name, what in found.items()} == {
        "fetch_balances": "does nothing",
        "fetch_positions": "does nothing",
        "fetch_fills": "returns [] whatever the venue says",
        "fetch_order": "returns {'status': 'open'} whatever the venue says",
        "fetch_account": "raises NotImplementedError; leave the hook out instead",
        "set_leverage": "awaits nothing: it can't have asked the venue",
        "fetch_ticker": "awaits nothing: it can't have asked the venue",
    }


def test_what_works_is_no_placeholder():
    """Hooks that await, and functions that are no hooks, are left alone."""
    assert static.placeholders(Full) == []


@pytest.mark.parametrize(
    "line",
    [
        "x = float(row['size'])",
        "from decimal import Decimal\nx = Decimal(0.1)",
        "import decimal\nx = decimal.Decimal(-0.1)",
        "class Row:\n    size: float",
        "class Row:\n    size: float | None = None",
        "import json\nx = json.loads(body)",
        "from json import loads\nx = loads(body)",
        "x = response.json()",
    ],
)
def test_lost_digits_are_found(line):
    """Each way in which a number of the venue becomes a float."""
    assert len(list(static.floats(source(line)))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from decimal import Decimal\nx = Decimal('0.1')",
        "import json\nx = json.loads(body, parse_float=Decimal)",
        "def wait(seconds: float) -> None: ...",
        "timeout = 0.5",
    ],
)
def test_exact_numbers_and_durations_are_no_finding(line):
    """Decimals from text, and floats that are seconds, are right."""
    assert list(static.floats(source(line))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ndef order(expiry=time.time() + 3600): ...",
        "from datetime import datetime, UTC\ndef order(*, at=datetime.now(UTC)): ...",
        "import uuid\nclass Order:\n    id: str = str(uuid.uuid4())",
        "import time as t\nNONCE = t.time_ns()",
        "from random import randint\nclass Order:\n    salt = [randint(1, 9)]",
    ],
)
def test_what_is_frozen_at_import_is_found(text):
    """M22 of old: an expiry computed once; aliases hide nothing."""
    assert len(list(static.frozen_at_import(source(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import time\ndef order():\n    return time.time()",
        "import uuid\nfrom dataclasses import field\nclass Order:\n    id: str = field(default_factory=uuid.uuid4)",
        "import uuid\nmake = lambda: uuid.uuid4()",
    ],
)
def test_what_is_computed_when_called_is_no_finding(text):
    """A factory and a function's body run each time."""
    assert list(static.frozen_at_import(source(text))) == []


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("import requests\ndef f():\n    return requests.get('u')", "requests.get"),
        ("from requests import Session\ns = Session()", "requests.Session"),
        ("import time\nasync def f():\n    time.sleep(1)", "time.sleep"),
        ("import subprocess\nasync def f():\n    subprocess.run(['ls'])", "subprocess.run"),
        ("import httpx\nc = httpx.Client()", "httpx.Client"),
        ("from urllib.request import urlopen\ndef f():\n    urlopen('u')", "urllib.request.urlopen"),
    ],
)
def test_blocking_calls_are_found(text, called):
    """M16: synchronous HTTP anywhere, and sleeping in a coroutine."""
    (found,) = static.blocking_calls(source(text))
    assert found.what == f"{called}() blocks the event loop"


def test_waiting_as_it_should_be_is_no_finding():
    """An async client, asyncio's own sleep, and a sleep in a plain function that may run in a thread."""
    text = """
        import asyncio, httpx, time
        client = httpx.AsyncClient()
        async def f():
            await asyncio.sleep(1)
        def in_a_thread():
            time.sleep(1)
    """
    assert list(static.blocking_calls(source(text))) == []


@pytest.mark.parametrize("call", ["eval(text)", "exec(text)", "pickle.loads(raw)", "marshal.loads(raw)"])
def test_code_made_of_data_is_found(call):
    """Evaluating and unpickling what came over the wire."""
    assert len(list(static.code_from_data(source(f"import pickle, marshal\nx = {call}")))) == 1
    assert list(static.code_from_data(source("import re\nx = re.compile(text)"))) == []


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that can be imported, and return its name."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def write(text: str) -> str:
        (tmp_path / "planted_plugin.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return "planted_plugin"

    return write


def test_a_quiet_import_has_no_problems(module):
    """Definitions alone are nothing to complain about."""
    report = static.import_apart(module("class Plugin: ..."), "Plugin")
    assert report.problems() == []
    assert report.cpu_seconds < 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            """
            import socket, contextlib
            with contextlib.suppress(OSError):
                socket.create_connection(("venue.example", 443))
            """,
            "it reaches for the network",
        ),
        (
            """
            import threading
            threading.Thread(target=threading.Event().wait, args=(30,), daemon=True, name="poller").start()
            """,
            "it starts a thread: poller",
        ),
        ("import no_such_module", "it fails: ModuleNotFoundError"),
        (
            "import os\nKEY = os.environ['PLANTED_API_KEY']",
            "it fails: KeyError",
        ),
        (
            "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 2.1: 2**2000",
            "of processor time; 2 s are allowed",
        ),
    ],
)
def test_an_import_that_does_more_than_define_is_found(module, monkeypatch, text, problem):
    """Network, threads, credentials and heavy work at import are each told."""
    monkeypatch.setenv("PLANTED_API_KEY", "a secret that an import must not need")
    (found,) = static.import_apart(module(text)).problems()
    assert problem in found


def test_a_missing_name_is_told(module):
    """The entry point's class has to be there."""
    (found,) = static.import_apart(module("x = 1"), "Plugin").problems()
    assert "AttributeError" in found


def test_the_source_of_a_package_is_read_whole():
    """Every module of the plugin's package is looked at, and one module alone where only that is meant."""
    from perpkit.adapters.paradex.venue import ParadexVenue

    names = {each.name for each in static.sources_of(ParadexVenue)}
    assert {"perpkit.adapters.paradex.decode", "perpkit.adapters.paradex.venue"} <= names
    assert [each.name for each in static.sources_of(Full, __name__)] == [__name__]
