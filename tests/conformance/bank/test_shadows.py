"""Shadows: in which tests a broken plugin's bug is found to show, by a toy plugin and its broken ones."""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import pytest

from perpkit.core.models import Balance, Market
from perpkit.core.transport.http import HttpClient, HttpReply
from tests.conformance.bank.seams import has_shadow, recorded
from tests.conformance.bank.tamper import TamperedStream
from tests.core.builders import a_market

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _balance(total: str) -> Balance:
    return Balance(asset="USDC", total=Decimal(total), available=Decimal(total), ts_received=NOW)


class _Stream:
    def topics(self, subscription: str) -> list[str]:
        return [subscription]

    def decode(self, frame: str, received: datetime) -> list[str]:
        if frame == "broken":
            raise ValueError(frame)
        return [frame]


class _Good:
    def __init__(self, settings: dict[str, str]) -> None:
        self.totals = settings["totals"].split()

    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        if not self.totals:
            raise LookupError("no such account")
        return [_balance(each) for each in self.totals][:limit]

    def open_stream(self, channels: list[str]) -> Any:
        return _Stream()


class _NegativeCut(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        return [each.replace(total=max(each.total, Decimal(0))) for each in await super().fetch_balances(limit)]


class _ZerosLost(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        return [each.replace(total=each.total.normalize()) for each in await super().fetch_balances(limit)]


class _ErrorSwallowed(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        try:
            return await super().fetch_balances(limit)
        except LookupError:
            return []


class _LimitForgotten(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        return await super().fetch_balances()


class _Constant(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        return [_balance("1")]


class _FirstForEver(_Good):
    @cached_property
    def kept(self) -> list[Balance]:
        return []

    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        balances = await super().fetch_balances(limit)
        self.kept.extend(() if self.kept else balances)
        return list(self.kept)


class _SettingDropped(_Good):
    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__({"totals": settings["totals"]})


class _Waits(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        await asyncio.sleep(0)
        return await super().fetch_balances(limit)


class _Blocks(_Good):
    async def fetch_balances(self, limit: int | None = None) -> list[Balance]:
        time.sleep(0)  # noqa: ASYNC251 - this is the bug
        return await super().fetch_balances(limit)


class _Loud(TamperedStream):
    def decode(self, frame: str, received: datetime) -> list[str]:
        return [str(each).upper() for each in self.good.decode(frame, received)]


class _StreamPlugin(_Good):
    stream_type: type[TamperedStream] = TamperedStream

    def open_stream(self, channels: list[str]) -> Any:
        return self.stream_type(super().open_stream(channels), self)


class _LoudStream(_StreamPlugin):
    stream_type = _Loud


def _shows(plugin: type, settings: dict[str, str], *calls: int | None) -> bool:
    """Let the good plugin be made and asked, and tell whether a broken one would have done otherwise."""

    async def ask() -> bool:
        with recorded(_Good, {"it": plugin}) as recording:
            recording.begin()
            good = _Good(settings)
            for limit in calls:
                try:
                    await good.fetch_balances(limit)
                except LookupError:
                    continue
            return "it" in recording.end()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("plugin", "totals", "shows"),
    [
        (_NegativeCut, "1 2", False),
        (_NegativeCut, "1 -2", True),
        (_ZerosLost, "1 2.5", False),
        (_ZerosLost, "1 2.50", True),
        (_ErrorSwallowed, "1", False),
        (_ErrorSwallowed, "", True),
        (_Constant, "1", True),
    ],
)
def test_a_bug_shows_where_another_answer_comes(plugin, totals, shows):
    """To the last digit, errors too; and one who answers without asking is never taken for right."""
    assert _shows(plugin, {"totals": totals}, None) is shows


def test_a_bug_shows_where_something_else_is_asked():
    """A limit that is forgotten is none where no limit was given."""
    assert not _shows(_LimitForgotten, {"totals": "1 2"}, None, None)
    assert _shows(_LimitForgotten, {"totals": "1 2"}, None, 1)


def test_a_shadow_remembers_what_its_plugin_would():
    """What is kept from a first answer shows once the second is another."""

    async def ask(*answers: str) -> bool:
        with recorded(_Good, {"it": _FirstForEver}) as recording:
            recording.begin()
            good = _Good({"totals": ""})
            for totals in answers:
                good.totals = totals.split()
                await good.fetch_balances()
            return "it" in recording.end()

    assert not asyncio.run(ask("1", "1"))
    assert asyncio.run(ask("1", "2"))


def test_a_bug_of_the_constructor_shows_where_it_is_given_something_else():
    """Settings that it leaves alone make no difference."""
    assert not _shows(_SettingDropped, {"totals": "1"}, None)
    assert _shows(_SettingDropped, {"totals": "1", "key": "2"}, None)


def test_what_can_not_be_judged_counts_as_shown():
    """Here a plugin that waits: it would take part in what happens meanwhile."""
    assert _shows(_Waits, {"totals": "1"}, None)


def test_a_bug_of_a_stream_shows_in_the_frames_that_it_reads_otherwise():
    """By the stream that the good plugin opens; an error that is the same shows nothing."""

    async def read(*frames: str) -> bool:
        with recorded(_Good, {"it": _LoudStream}) as recording:
            recording.begin()
            stream = _Good({"totals": ""}).open_stream([])
            assert stream.topics("trades") == ["trades"]
            for frame in frames:
                try:
                    assert stream.decode(frame, NOW) == [frame]
                except ValueError:
                    continue
            return "it" in recording.end()

    assert not asyncio.run(read("LOUD", "broken"))
    assert asyncio.run(read("LOUD", "low"))


class _Lists(_Good):
    async def fetch_markets(self) -> list[Market]:
        return [a_market(max_leverage=20, status="open")]


class _LeverageTable(_Lists):
    async def fetch_markets(self) -> list[Market]:
        return [each.replace(max_leverage=50) for each in await super().fetch_markets()]


class _ListedTwice(_Lists):
    async def fetch_markets(self) -> list[Market]:
        return await super().fetch_markets() * 2


@pytest.mark.parametrize(
    ("plugin", "look", "shows"),
    [
        (_LeverageTable, lambda market: market.id, False),
        (_LeverageTable, lambda market: (market.symbol, market.tick_size, market.status), False),
        (_LeverageTable, lambda market: market.max_leverage, True),
        (_LeverageTable, lambda market: market == a_market(), True),
        (_LeverageTable, lambda market: market.model_dump_json(), True),
        (_LeverageTable, lambda market: market.replace(tick_size=1), True),
        (_LeverageTable, hash, True),
        (_LeverageTable, repr, True),
        (_LeverageTable, copy.copy, True),
        (_LeverageTable, vars, True),
        (_ListedTwice, lambda market: market.id, True),
    ],
)
def test_a_bug_in_a_field_of_the_markets_shows_where_the_field_is_read(plugin, look, shows):
    """By whatever way; another number of markets shows always."""

    async def ask() -> bool:
        with recorded(_Lists, {"it": plugin}) as recording:
            recording.begin()
            (market,) = await _Lists({"totals": ""}).fetch_markets()
            look(market)
            return "it" in recording.end()

    assert asyncio.run(ask()) is shows


class _WirePlugin(_Good):
    def _sent(self, method: str, path: str, given: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        return method, path, {**given, "params": {"limit": 1}} if path == "/fills" else given

    def _came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        return replace(reply, body=reply.body.replace(b"NaN", b"0"))


def test_a_bug_on_the_wire_shows_in_what_is_sent_or_read_otherwise(monkeypatch):
    """Request and answer are compared, whoever makes the request."""

    async def answer(self: Any, method: str, path: str, **given: Any) -> HttpReply:
        return HttpReply(200, {}, given["body"], NOW, NOW)

    monkeypatch.setattr(HttpClient, "request", answer)

    async def ask(path: str, body: bytes) -> bool:
        with recorded(_Good, {"it": _WirePlugin}) as recording:
            recording.begin()
            client: Any = object.__new__(HttpClient)
            await client.request("GET", path, body=body)
            return "it" in recording.end()

    assert not asyncio.run(ask("/orders", b"1"))
    assert asyncio.run(ask("/orders", b"NaN"))
    assert asyncio.run(ask("/fills", b"1"))


def test_who_reaches_for_the_world_has_no_shadow():
    """What it does there can't be kept from having an effect, nor be compared."""
    assert has_shadow(_NegativeCut, _Good)
    assert has_shadow(_LoudStream, _Good)
    assert has_shadow(_WirePlugin, _Good)
    assert not has_shadow(_Blocks, _Good)
