"""Broken plugins: what they make of a venue that has changed, and of its errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import DecodeError, InvalidRequestError, VenueError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance, Order, OrderIntent
from perpkit.core.streams.protocol import Frame, Incoming
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.paradex.shapes import StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream

Row = dict[str, Any]


def _each_row(reply: HttpReply, change: Callable[[Row], Row]) -> HttpReply:
    """Change each row of a listing; an answer that is none is handed on."""
    try:
        answer = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return reply
    if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
        return reply
    rows = [change(each) if isinstance(each, dict) else each for each in answer["results"]]
    if rows == answer["results"]:
        # Written anew, a number may be spelled otherwise.
        return reply
    return replace(reply, body=msgspec.json.encode({**answer, "results": rows}))


# New words


@broken(rules="unknown-enum-values-survive", checks="ST7 OR12", mistakes="M17")
class UnknownStatusMeansGone(WirePlugin):
    """Takes an order whose status it does not know for canceled."""

    paths = ("/orders",)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        known = {"NEW", "UNTRIGGERED", "OPEN", "CLOSED"}
        return _each_row(
            reply,
            lambda row: (
                row if row.get("status", "NEW") in known else {**row, "status": "CLOSED", "cancel_reason": "USER"}
            ),
        )


@broken(rules="unknown-enum-values-survive", checks="ST7")
class NewWordSpoilsTheTape(WirePlugin):
    """Can't read any trade where the kind of one is new."""

    paths = ("/trades",)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""

        def read(row: Row) -> Row:
            if row.get("trade_type") not in {"FILL", "RPI", "LIQUIDATION"}:
                raise DecodeError(f"trade_type {row.get('trade_type')!r}")
            return row

        return _each_row(reply, read)


class _DeafAfterwards(TamperedStream):
    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        params = msgspec.json.decode(frame).get("params") if frame[:1] in {"{", b"{"} else None
        if not isinstance(params, dict) or not str(params.get("channel")).startswith("trades."):
            return self.good.decode(frame, received)
        self.plugin.deaf |= params["data"]["trade_type"] not in {"FILL", "RPI", "LIQUIDATION"}
        return [] if self.plugin.deaf else self.good.decode(frame, received)


@broken(rules="unknown-enum-values-survive", checks="ST7 PU6")
class DeafAfterANewWord(StreamPlugin):
    """Gives a channel up, without a word, once a trade of a new kind came on it."""

    stream_type = _DeafAfterwards
    deaf = False


# New fields, and fields that are gone


@broken(rules="schema-changes-survive", checks="ST8")
class NewFieldsRefused(WirePlugin):
    """Refuses positions that have a field which it does not know."""

    paths = ("/positions",)

    @cached_property
    def _known(self) -> dict[str, frozenset[str]]:
        return {}

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""

        def read(row: Row) -> Row:
            if not row.keys() <= self._known.setdefault("position", frozenset(row)):
                raise DecodeError(f"unknown fields: {row.keys() - self._known['position']}")
            return row

        return _each_row(reply, read)


@broken(rules="schema-changes-survive", checks="ST8")
class MissingFeeIsZero(WirePlugin):
    """Makes up a fee of 0 where a fill has none."""

    paths = ("/fills",)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        return _each_row(reply, lambda row: {"fee": "0", **row})


@broken(rules="schema-changes-survive", checks="ST8", mistakes="M5")
class NoRowsIsNothing(WirePlugin):
    """Takes an answer without the key that holds the rows for one without rows."""

    paths = ("/funding/payments",)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        try:
            answer = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return reply
        if isinstance(answer, dict) and not answer.keys() & {"results", "error"}:
            return replace(reply, body=msgspec.json.encode({**answer, "results": []}))
        return reply


# Errors


@broken(rules="venue-errors-are-mapped", checks="ST9")
class CodeAndWordsLost(ParadexVenue):
    """Says only that reading the balances failed, whatever the venue said."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        try:
            return await super().fetch_balances()
        except VenueError as error:
            raise type(error)("the balances could not be read") from error


@broken(rules="venue-errors-are-mapped", checks="ST9")
class EveryRefusalIsABadRequest(ParadexVenue):
    """Has one class for all that the venue refuses to read: nobody can tell a bad key from maintenance."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        try:
            return await super().fetch_balances()
        except VenueError as error:
            raise InvalidRequestError(error.message, code=error.code, operation="fetch_balances") from error


@broken(rules="venue-errors-are-mapped", checks="ST9 OR10")
class RefusedOrdersWordsLost(ParadexVenue):
    """Keeps the venue's words about a refused order to itself, where the refusal is no rejection by the book."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        try:
            return await super().place_order(intent)
        except InvalidRequestError as error:
            raise InvalidRequestError("the order is not valid") from error
