"""
The raw REST client: one method an endpoint, in the venue's names, returning schema types. It sends the key, maps errors
and follows cursors; it knows no core models.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import msgspec

from perpkit.adapters.extended import endpoints, schema, wire
from perpkit.adapters.extended.config import VENUE
from perpkit.adapters.extended.credentials import missing_key
from perpkit.adapters.extended.errors import venue_error
from perpkit.core.before_sending import before_sending
from perpkit.core.errors import (
    DecodeError,
    OrderNotFoundError,
    PerpkitError,
    UnknownMarketError,
    UnmappedVenueError,
)
from perpkit.core.transport import wire_json
from perpkit.core.transport.http import HttpClient, HttpReply, ParamValue, classify_gateway_failure, segment
from perpkit.core.transport.pages import collect, each_page
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.core.transport.retry import Effect

log = logging.getLogger(__name__)

T = TypeVar("T")

Query = Sequence[tuple[str, ParamValue]]

_QUOTA = {endpoints.REST: 1}
_NOT_FOUND = 404
_DECIDED_BY_STATUS = frozenset({401, 429})
"""Whatever the body is: a 401 has been seen without any."""


class RestClient:
    """
    Talks to the REST API.

    Args:
        http: Opened by its owner, with the limiter of ``endpoints.quotas``.
        api_key: None serves public endpoints only.
    """

    def __init__(self, http: HttpClient, redactor: Redactor, api_key: Secret | None) -> None:
        self._http = http
        self._redactor = redactor
        self._api_key = api_key
        self.before_private: Callable[[], Awaitable[object]] | None = None
        """Awaited before whatever reads or trades for the account, cancels apart; raises to prevent it."""

    # Markets

    async def get_markets(self, markets: Sequence[str] = ()) -> list[schema.Market]:
        """
        ``GET /info/markets``: the perpetuals. Spot is left out, and so is a row that can't be read, which is logged.
        """
        what = f"GET {endpoints.MARKETS}"
        rows = await self._public(list[msgspec.Raw], endpoints.MARKETS, [("market", each) for each in markets])
        found: list[schema.Market] = []
        for row in rows:
            try:
                kind = wire.read(schema.MarketKind, row, what=what, redactor=self._redactor)
                if kind.type == "PERPETUAL":
                    found.append(wire.read(schema.Market, row, what=f"market {kind.name}", redactor=self._redactor))
            except DecodeError as error:
                log.warning("a market is left out: %s", error)
        return found

    async def get_market_stats(self, market: str) -> schema.MarketStats:
        """``GET /info/markets/{market}/stats``"""
        return await self._of_market(schema.MarketStats, market, "stats")

    async def get_orderbook(self, market: str) -> schema.OrderBook:
        """``GET /info/markets/{market}/orderbook``: the whole book."""
        return await self._of_market(schema.OrderBook, market, "orderbook")

    async def get_trades(self, market: str) -> list[schema.PublicTrade]:
        """``GET /info/markets/{market}/trades``: the latest; how many, and in which order, is not documented."""
        return await self._of_market(list[schema.PublicTrade], market, "trades")

    async def get_candles(
        self, market: str, kind: str, interval: str, limit: int, end_time: int
    ) -> list[schema.Candle]:
        """``GET /info/candles/{market}/{candleType}``, newest first."""
        path = f"{endpoints.CANDLES}/{segment(market, venue=VENUE)}/{kind}"
        query: Query = [("interval", interval), ("limit", limit), ("endTime", end_time)]
        return await self._public(list[schema.Candle], path, query, operation="GET /info/candles")

    async def get_funding(
        self, market: str, start_time: int, end_time: int, *, limit: int | None
    ) -> list[schema.FundingRate]:
        """``GET /info/{market}/funding``: applied rates, newest first."""
        path = f"{endpoints.INFO}/{segment(market, venue=VENUE)}/funding"
        query = [("startTime", start_time), ("endTime", end_time)]
        pages = self._each_page(schema.FundingRate, path, query, limit=limit, private=False)
        return await collect(pages, limit=limit, since=start_time, time=lambda row: row.T)

    async def get_starknet(self) -> schema.Domain:
        """``GET /info/starknet``"""
        return await self._public(schema.Domain, endpoints.STARKNET)

    # Account

    async def get_account_info(self) -> schema.Account:
        """``GET /user/account/info``: the key's own sub-account. Asked before anything else may be."""
        return await self._private(schema.Account, endpoints.ACCOUNT_INFO, is_checked=False)

    async def get_balance(self) -> schema.Balance | None:
        """``GET /user/balance``; None for its 404, by which the venue says that there is nothing."""
        reply = await self._keyed("GET", endpoints.BALANCE, tolerated=_NOT_FOUND)
        if reply.status == _NOT_FOUND:
            return None
        return self._data(schema.Balance, reply, f"GET {endpoints.BALANCE}")

    async def get_leverage(self, market: str) -> list[schema.Leverage]:
        """``GET /user/leverage?market=``"""
        return await self._private(list[schema.Leverage], endpoints.LEVERAGE, [("market", market)])

    async def patch_leverage(self, market: str, leverage: str) -> None:
        """``PATCH /user/leverage``. Sources disagree on what it answers, so nothing of it is read."""
        body = {"market": market, "leverage": leverage}
        await self._keyed("PATCH", endpoints.LEVERAGE, body=wire_json.dumps(body), effect=Effect.IDEMPOTENT)

    async def get_fees(self, markets: Iterable[str]) -> list[schema.Fee]:
        """``GET /user/fees``, of every market where none is named."""
        return await self._private(list[schema.Fee], endpoints.FEES, [("market", each) for each in markets])

    async def get_positions(self) -> list[schema.Position]:
        """``GET /user/positions``"""
        return await self._private(list[schema.Position], endpoints.POSITIONS)

    async def get_trades_of_account(
        self, market: str | None, *, limit: int | None, since: int | None, until: int | None
    ) -> list[schema.Fill]:
        """``GET /user/trades``: own fills, newest first. It can't be asked for a time."""
        pages = self._each_page(schema.Fill, endpoints.TRADES, [("market", market)], limit=_page_bound(limit, until))
        return await collect(pages, limit=limit, since=since, until=until, time=lambda row: row.created_time)

    async def get_funding_history(
        self, market: str | None, from_time: int, *, limit: int | None, until: int | None
    ) -> list[schema.FundingPayment]:
        """``GET /user/funding/history``: payments, newest first."""
        query = [("market", market), ("fromTime", from_time)]
        pages = self._each_page(
            schema.FundingPayment, endpoints.FUNDING_HISTORY, query, limit=_page_bound(limit, until)
        )
        return await collect(pages, limit=limit, since=from_time, until=until, time=lambda row: row.paid_time)

    # Orders

    async def get_orders(self, market: str | None) -> list[schema.Order]:
        """``GET /user/orders``: the open ones, in one answer."""
        return await self._private(list[schema.Order], endpoints.ORDERS, [("market", market)])

    async def get_order(self, order_id: str) -> schema.Order:
        """``GET /user/orders/{id}``"""
        path = f"{endpoints.ORDERS}/{segment(order_id, venue=VENUE)}"
        return await self._private(schema.Order, path, operation="GET /user/orders/{id}", not_found=OrderNotFoundError)

    async def get_orders_by_external_id(self, external_id: str) -> list[schema.Order]:
        """``GET /user/orders/external/{externalId}``: all that bear the id; an unknown one may be a 404."""
        path = f"{endpoints.ORDERS_EXTERNAL}/{segment(external_id, venue=VENUE)}"
        operation = "GET /user/orders/external/{externalId}"
        return await self._private(list[schema.Order], path, operation=operation, not_found=OrderNotFoundError)

    async def get_orders_history(
        self, query: Query, *, limit: int | None, since: int | None, until: int | None
    ) -> list[schema.Order]:
        """``GET /user/orders/history``: the closed ones, newest first."""
        pages = self._each_page(schema.Order, endpoints.ORDERS_HISTORY, query, limit=_page_bound(limit, until))
        return await collect(pages, limit=limit, since=since, until=until, time=lambda row: row.created_time)

    async def post_order(self, body: Mapping[str, Any], *, operation: str, is_rfq: bool = False) -> schema.Placed:
        """``POST /user/order``: a new order, or a replacement where ``cancelId`` is given. Taken, not yet entered."""
        reply = await self._keyed(
            "POST",
            endpoints.RFQ_ORDER if is_rfq else endpoints.ORDER,
            operation=operation,
            body=wire_json.dumps(dict(body)),
            effect=Effect.COMMAND,
            client_order_id=str(body["id"]),
        )
        answer = self._answer(schema.Placed, reply, operation)
        self._require_ok(answer, reply, operation, effect=Effect.COMMAND, client_order_id=str(body["id"]))
        return self._data_of(answer, reply, operation)

    async def delete_order(self, order_id: str) -> None:
        """``DELETE /user/order/{id}``: queued, not confirmed."""
        await self._cancel("DELETE", f"{endpoints.ORDER}/{segment(order_id, venue=VENUE)}", "cancel_order")

    async def delete_order_by_external_id(self, external_id: str) -> None:
        """``DELETE /user/order?externalId=``: queued, not confirmed."""
        await self._cancel("DELETE", endpoints.ORDER, "cancel_order", params=[("externalId", external_id)])

    async def post_mass_cancel(self, body: Mapping[str, Any], operation: str) -> None:
        """
        ``POST /user/order/massCancel``. ``cancelAll`` overrides every other field, so it is sent alone or not at all.
        """
        await self._cancel("POST", endpoints.MASS_CANCEL, operation, body=wire_json.dumps(dict(body)))

    async def post_dead_man_switch(self, seconds: int) -> None:
        """``POST /user/deadmanswitch?countdownTime=``; 0 disarms. The answer may be empty."""
        query = [("countdownTime", seconds)]
        await self._cancel("POST", endpoints.DEAD_MAN_SWITCH, "set_dead_man_switch", params=query)

    # Plumbing

    async def _public(self, type_: type[T], path: str, query: Query = (), *, operation: str | None = None) -> T:
        reply = await self._ask("GET", path, params=query, operation=operation, not_found=UnknownMarketError)
        return self._data(type_, reply, operation or f"GET {path}")

    async def _of_market(self, type_: type[T], market: str, what: str) -> T:
        path = f"{endpoints.MARKETS}/{segment(market, venue=VENUE)}/{what}"
        return await self._public(type_, path, operation=f"GET {endpoints.MARKETS}/{{market}}/{what}")

    async def _private(
        self,
        type_: type[T],
        path: str,
        query: Query = (),
        *,
        operation: str | None = None,
        not_found: type[PerpkitError] = UnmappedVenueError,
        is_checked: bool = True,
    ) -> T:
        reply = await self._keyed(
            "GET", path, params=query, operation=operation, not_found=not_found, is_checked=is_checked
        )
        return self._data(type_, reply, operation or f"GET {path}")

    def _each_page(
        self, row: type[T], path: str, query: Query, *, limit: int | None, private: bool = True
    ) -> AsyncIterator[list[T]]:
        size = endpoints.PAGE_SIZE if limit is None else min(limit, endpoints.PAGE_SIZE)
        ask = self._keyed if private else self._ask
        rows: type[list[T]] = list[row]  # type: ignore[valid-type]  # made at run time

        async def fetch(cursor: str | None) -> tuple[list[T], str | None]:
            reply = await ask("GET", path, params=[*query, ("limit", size), ("cursor", cursor)])
            answer = self._answer(rows, reply, f"GET {path}")
            found = self._data_of(answer, reply, f"GET {path}")
            page = answer.pagination
            # The end is not spelled out by any source: an empty page, one that is not full, or none named.
            is_last = page is None or page.cursor is None or len(found) < size
            return found, None if is_last or page is None else str(page.cursor)

        return each_page(fetch, what=f"GET {path}", venue=VENUE)

    async def _cancel(
        self, method: str, path: str, operation: str, *, params: Query = (), body: bytes | None = None
    ) -> None:
        reply = await self._keyed(
            method,
            path,
            operation=operation,
            params=params,
            body=body,
            effect=Effect.IDEMPOTENT,
            priority=Priority.CANCEL,
            not_found=OrderNotFoundError,
            # What takes risk away must not wait for a check that a busy venue answers late.
            is_checked=False,
        )
        self._require_done(reply, operation)

    async def _keyed(self, method: str, path: str, *, is_checked: bool = True, **request: Any) -> HttpReply:
        """Ask with the key. Where the check before it fails, a command was not sent, whatever the check met."""
        if self._api_key is None:
            raise missing_key()
        if is_checked and self.before_private is not None:
            is_command = request.get("effect") is Effect.COMMAND
            with before_sending("the account could not be checked first", venue=VENUE) if is_command else nullcontext():
                await self.before_private()
        headers = {endpoints.API_KEY_HEADER: self._api_key.reveal()}
        return await self._ask(method, path, headers=headers, **request)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        operation: str | None = None,
        params: Query = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect = Effect.READ,
        priority: Priority = Priority.NORMAL,
        client_order_id: str | None = None,
        not_found: type[PerpkitError] = UnmappedVenueError,
        tolerated: int | None = None,
    ) -> HttpReply:
        name = operation or f"{method} {path}"
        reply = await self._http.request(
            method,
            path,
            operation=name,
            effect=effect,
            params=params,
            body=body,
            headers=headers,
            quotas=_QUOTA,
            priority=priority,
            client_order_id=client_order_id,
        )
        if tolerated is None or reply.status != tolerated:
            self._raise_for(reply, name, effect=effect, client_order_id=client_order_id, not_found=not_found)
        return reply

    def _raise_for(
        self,
        reply: HttpReply,
        operation: str,
        *,
        effect: Effect,
        client_order_id: str | None,
        not_found: type[PerpkitError],
    ) -> None:
        """Raise what the reply says no with; return when it says yes, or says no under a 2xx."""
        if reply.status not in _DECIDED_BY_STATUS and (reply.body.strip() or reply.status >= 500):
            failure = classify_gateway_failure(reply, venue=VENUE, operation=operation, client_order_id=client_order_id)
            if failure is not None:
                raise failure
        if reply.status >= 400:
            try:
                answer = wire.read(schema.Answer[msgspec.Raw], reply.body, what=operation, redactor=self._redactor)
                error = answer.error or schema.Error()
            except DecodeError:
                error = schema.Error(message=self._redactor.excerpt(reply.body))
            raise self._refusal(
                error, reply, operation, effect=effect, client_order_id=client_order_id, not_found=not_found
            )

    def _require_done(self, reply: HttpReply, operation: str) -> None:
        """Raise the refusal that a reply may carry under a 2xx. An empty body says yes."""
        if reply.body.strip():
            answer = self._answer(msgspec.Raw, reply, operation)
            self._require_ok(answer, reply, operation, effect=Effect.IDEMPOTENT)

    def _require_ok(
        self,
        answer: schema.Answer[T],
        reply: HttpReply,
        operation: str,
        *,
        effect: Effect,
        client_order_id: str | None = None,
    ) -> None:
        status = answer.status.upper()
        if answer.error is not None or status == "ERROR":
            error = answer.error or schema.Error(message="it says ERROR and not why")
            raise self._refusal(error, reply, operation, effect=effect, client_order_id=client_order_id)
        if status != "OK":
            msg = f"{operation}: status {self._redactor.text(answer.status)[:40]!r} is neither OK nor ERROR"
            raise DecodeError(msg, payload=self._redactor.excerpt(reply.body), venue=VENUE, operation=operation)

    def _refusal(
        self,
        error: schema.Error,
        reply: HttpReply,
        operation: str,
        *,
        effect: Effect,
        client_order_id: str | None,
        not_found: type[PerpkitError] = UnmappedVenueError,
    ) -> PerpkitError:
        words = " ".join(part for part in (error.message, error.debugInfo) if part)
        return venue_error(
            error.code if isinstance(error.code, int) else self._redactor.text(error.code),
            self._redactor.text(words),
            status=reply.status,
            operation=operation,
            not_found=not_found,
            is_order_command=effect is Effect.COMMAND,
            client_order_id=client_order_id,
            retry_after=reply.retry_after,
        )

    def _answer(self, type_: type[T], reply: HttpReply, what: str) -> schema.Answer[T]:
        kind: type[schema.Answer[T]] = schema.Answer[type_]  # type: ignore[valid-type]  # made at run time
        return wire.read(kind, reply.body, what=what, redactor=self._redactor)

    def _data(self, type_: type[T], reply: HttpReply, what: str) -> T:
        return self._data_of(self._answer(type_, reply, what), reply, what)

    def _data_of(self, answer: schema.Answer[T], reply: HttpReply, what: str) -> T:
        """Return the data of an answer that says yes. A missing key is no empty list."""
        self._require_ok(answer, reply, what, effect=Effect.READ)
        if answer.data is msgspec.UNSET:
            payload = self._redactor.excerpt(reply.body)
            raise DecodeError(f"{what}: the answer holds no data", payload=payload, venue=VENUE, operation=what)
        return answer.data


def _page_bound(limit: int | None, until: int | None) -> int | None:
    """Return how many rows a page need hold: with an end in the past, what is newer has to be read past first."""
    return limit if until is None else None
