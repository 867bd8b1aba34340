"""
The raw REST client: one method an endpoint, in the venue's names, returning schema types. It signs in, maps errors
and follows cursors; it knows no core models.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from perpkit.adapters.paradex import endpoints, schema, wire
from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.errors import venue_error
from perpkit.core.before_sending import before_sending
from perpkit.core.errors import (
    AuthError,
    CredentialsError,
    DecodeError,
    PerpkitError,
)
from perpkit.core.transport import wire_json
from perpkit.core.transport.http import HttpClient, HttpReply, ParamValue, classify_gateway_failure, segment
from perpkit.core.transport.pages import collect, each_page
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.core.transport.retry import Effect

log = logging.getLogger(__name__)

T = TypeVar("T")

_UNAUTHORIZED = 401
Query = Mapping[str, ParamValue]

_PUBLIC_QUOTA = {endpoints.PUBLIC: 1}
_PRIVATE_QUOTA = {endpoints.PRIVATE: 1}
_ORDER_QUOTA = {endpoints.ORDER_COMMANDS: 1}
_AUTH_QUOTA = {endpoints.SIGN_IN: 1}


class Tokens(Protocol):
    """Where the client gets its bearer tokens."""

    async def token(self) -> Secret:
        """Return one that is good."""
        ...

    def drop(self, token: Secret) -> None:
        """Take back one that the venue refused."""
        ...


class RestClient:
    """
    Talks to the REST API.

    Args:
        http: Opened by its owner, with the limiter of ``endpoints.QUOTAS``.
        tokens: Set once the credentials are known; None serves public endpoints only.
    """

    def __init__(self, http: HttpClient, redactor: Redactor) -> None:
        self._http = http
        self._redactor = redactor
        self.tokens: Tokens | None = None

    # System and sign-in

    async def get_system_state(self) -> schema.SystemState:
        """``GET /system/state``"""
        return await self._public(schema.SystemState, endpoints.SYSTEM_STATE)

    async def get_system_time(self) -> tuple[schema.SystemTime, HttpReply]:
        """``GET /system/time``, with the reply for its times of sending and receiving."""
        reply = await self._ask("GET", endpoints.SYSTEM_TIME, quotas=_PUBLIC_QUOTA)
        return self._read(schema.SystemTime, reply, f"GET {endpoints.SYSTEM_TIME}"), reply

    async def get_system_config(self) -> schema.SystemConfig:
        """``GET /system/config``"""
        return await self._public(schema.SystemConfig, endpoints.SYSTEM_CONFIG)

    async def post_auth(self, public_key: int, headers: Mapping[str, str], token_usage: str | None) -> schema.Auth:
        """
        ``POST /auth/{public_key}``. The contract lists ``/auth`` alone; the documentation and the SDK name the
        signing key's public key in the path, which is how the venue tells a subkey.
        """
        path = f"{endpoints.AUTH}/{public_key:#x}"
        reply = await self._ask(
            "POST",
            path,
            operation=f"POST {endpoints.AUTH}",
            params={"token_usage": token_usage},
            headers=headers,
            effect=Effect.IDEMPOTENT,
            quotas=_AUTH_QUOTA,
        )
        return self._read(schema.Auth, reply, f"POST {endpoints.AUTH}")

    # Markets

    async def get_markets(self) -> list[schema.Market]:
        """
        ``GET /markets``: the perpetuals. Other kinds are left out, and so is a row that can't be read, which is logged.
        """
        what = f"GET {endpoints.MARKETS}"
        reply = await self._ask("GET", endpoints.MARKETS, quotas=_PUBLIC_QUOTA)
        rows = self._read(schema.Results[msgspec.Raw], reply, what).results
        found: list[schema.Market] = []
        for row in rows:
            try:
                kind = wire.read(schema.MarketKind, row, what=what, redactor=self._redactor)
                if kind.asset_kind == "?":
                    raise DecodeError(f"market {kind.symbol} doesn't say what kind it is", venue=VENUE, operation=what)
                if kind.asset_kind == "PERP":
                    found.append(wire.read(schema.Market, row, what=f"market {kind.symbol}", redactor=self._redactor))
            except DecodeError as error:
                log.warning("a market is left out: %s", error)
        return found

    async def get_markets_summary(self, market: str) -> list[schema.MarketSummary]:
        """``GET /markets/summary?market=``, ``ALL`` for every market, options among them."""
        query = {"market": market}
        return (await self._public(schema.Results[schema.MarketSummary], endpoints.MARKETS_SUMMARY, query)).results

    async def get_orderbook(self, market: str, depth: int | None) -> schema.OrderBook:
        """``GET /orderbook/{market}``"""
        path = f"{endpoints.ORDER_BOOK}/{segment(market, venue=VENUE)}"
        return await self._public(schema.OrderBook, path, {"depth": depth})

    async def get_trades(self, query: Query, *, limit: int | None, since: int | None) -> list[schema.Trade]:
        """``GET /trades``, newest first."""
        return await self._pages(schema.Trade, endpoints.TRADES, query, limit=limit, since=since, private=False)

    async def get_klines(self, query: Query) -> list[schema.Kline]:
        """``GET /markets/klines``"""
        return (await self._public(schema.Results[schema.Kline], endpoints.KLINES, query)).results

    async def get_funding_data(self, query: Query, *, limit: int | None, since: int | None) -> list[schema.FundingData]:
        """``GET /funding/data``, newest first."""
        path = endpoints.FUNDING_DATA
        return await self._pages(schema.FundingData, path, query, limit=limit, since=since, private=False)

    # Account

    async def get_account(self) -> schema.AccountSummary:
        """``GET /account``"""
        return await self._private(schema.AccountSummary, endpoints.ACCOUNT)

    async def get_account_info(self) -> list[schema.AccountInfo]:
        """``GET /account/info``"""
        return (await self._private(schema.Results[schema.AccountInfo], endpoints.ACCOUNT_INFO)).results

    async def get_account_margin(self, market: str) -> schema.MarginConfigs:
        """``GET /account/margin?market=``"""
        return await self._private(schema.MarginConfigs, endpoints.ACCOUNT_MARGIN, {"market": market})

    async def post_account_margin(self, market: str, body: Mapping[str, Any]) -> schema.MarginUpdate:
        """``POST /account/margin/{market}``"""
        path = f"{endpoints.ACCOUNT_MARGIN}/{segment(market, venue=VENUE)}"
        operation = f"POST {endpoints.ACCOUNT_MARGIN}"
        reply = await self._signed_in(
            "POST", path, operation=operation, body=wire_json.dumps(dict(body)), effect=Effect.IDEMPOTENT
        )
        return self._read(schema.MarginUpdate, reply, operation)

    async def get_balance(self) -> list[schema.Balance]:
        """``GET /balance``"""
        return (await self._private(schema.Results[schema.Balance], endpoints.BALANCE)).results

    async def get_positions(self) -> list[schema.Position]:
        """``GET /positions``"""
        return (await self._private(schema.Results[schema.Position], endpoints.POSITIONS)).results

    async def get_fills(self, query: Query, *, limit: int | None, since: int | None) -> list[schema.Fill]:
        """``GET /fills``, newest first."""
        return await self._pages(schema.Fill, endpoints.FILLS, query, limit=limit, since=since)

    async def get_funding_payments(
        self, query: Query, *, limit: int | None, since: int | None
    ) -> list[schema.FundingPayment]:
        """``GET /funding/payments``, newest first."""
        path = endpoints.FUNDING_PAYMENTS
        return await self._pages(schema.FundingPayment, path, query, limit=limit, since=since)

    # Orders

    async def get_orders(self, market: str | None) -> list[schema.Order]:
        """``GET /orders``: the open ones."""
        return (await self._private(schema.Results[schema.Order], endpoints.ORDERS, {"market": market})).results

    async def get_order(self, order_id: str) -> schema.Order:
        """``GET /orders/{order_id}``"""
        path = f"{endpoints.ORDERS}/{segment(order_id, venue=VENUE)}"
        return await self._private(schema.Order, path, operation="GET /orders/{order_id}")

    async def get_order_by_client_id(self, client_id: str) -> schema.Order:
        """``GET /orders/by_client_id/{client_id}``: only while it is open."""
        path = f"{endpoints.ORDERS_BY_CLIENT_ID}/{segment(client_id, venue=VENUE)}"
        return await self._private(schema.Order, path, operation="GET /orders/by_client_id/{client_id}")

    async def get_orders_history(self, query: Query, *, limit: int | None, since: int | None) -> list[schema.Order]:
        """``GET /orders-history``, newest first."""
        return await self._pages(schema.Order, endpoints.ORDERS_HISTORY, query, limit=limit, since=since)

    def pages_of_orders_history(self, query: Query) -> AsyncIterator[list[schema.Order]]:
        """``GET /orders-history``, a page at a time, newest first, for who looks for one order."""
        return self._each_page(schema.Order, endpoints.ORDERS_HISTORY, query)

    async def post_order(self, body: Mapping[str, Any]) -> schema.Order:
        """``POST /orders``"""
        reply = await self._command("POST", endpoints.ORDERS, "place_order", body, _client_id(body))
        return self._read(schema.Order, reply, "POST /orders")

    async def post_orders_batch(self, bodies: Sequence[Mapping[str, Any]]) -> schema.BatchReply:
        """``POST /orders/batch``"""
        reply = await self._command("POST", endpoints.ORDERS_BATCH, "place_orders", bodies, None)
        return self._read(schema.BatchReply, reply, "POST /orders/batch")

    async def put_order(self, order_id: str, body: Mapping[str, Any]) -> schema.Order:
        """``PUT /orders/{order_id}``"""
        path = f"{endpoints.ORDERS}/{segment(order_id, venue=VENUE)}"
        reply = await self._command("PUT", path, "amend_order", body, None)
        return self._read(schema.Order, reply, "PUT /orders/{order_id}")

    async def delete_order(self, order_id: str) -> None:
        """``DELETE /orders/{order_id}``: queued, not confirmed."""
        self._require_done(
            await self._cancel(f"{endpoints.ORDERS}/{segment(order_id, venue=VENUE)}", "cancel_order"), "cancel_order"
        )

    async def delete_order_by_client_id(self, client_id: str, market: str | None) -> None:
        """``DELETE /orders/by_client_id/{client_id}``"""
        path = f"{endpoints.ORDERS_BY_CLIENT_ID}/{segment(client_id, venue=VENUE)}"
        self._require_done(await self._cancel(path, "cancel_order", params={"market": market}), "cancel_order")

    async def delete_orders(self, market: str | None) -> None:
        """``DELETE /orders``: every open one, of one market where it is named."""
        reply = await self._cancel(endpoints.ORDERS, "cancel_all_orders", params={"market": market})
        self._require_done(reply, "cancel_all_orders")

    async def delete_orders_batch(
        self, order_ids: Sequence[str], client_order_ids: Sequence[str]
    ) -> list[schema.CancelResult]:
        """``DELETE /orders/batch``"""
        named = {"order_ids": list(order_ids), "client_order_ids": list(client_order_ids)}
        body = wire_json.dumps({name: ids for name, ids in named.items() if ids})
        reply = await self._cancel(endpoints.ORDERS_BATCH, "cancel_orders", body=body)
        return self._read(schema.Results[schema.CancelResult], reply, "DELETE /orders/batch").results

    # Plumbing

    async def _public(self, type_: type[T], path: str, query: Query | None = None) -> T:
        reply = await self._ask("GET", path, params=query or {}, quotas=_PUBLIC_QUOTA)
        return self._read(type_, reply, f"GET {path}")

    async def _private(
        self, type_: type[T], path: str, query: Query | None = None, *, operation: str | None = None
    ) -> T:
        reply = await self._signed_in("GET", path, operation=operation, params=query or {})
        return self._read(type_, reply, operation or f"GET {path}")

    async def _pages(
        self,
        row: type[T],
        path: str,
        query: Query,
        *,
        limit: int | None,
        since: int | None,
        private: bool = True,
    ) -> list[T]:
        """
        Follow cursors, newest first, until there is no next page, the limit is reached, or a row is older than asked
        (so that a venue that ignored ``start_at`` would not send everything).
        """
        pages = self._each_page(row, path, query, limit=limit, private=private)
        return await collect(pages, limit=limit, since=since, time=lambda each: getattr(each, "created_at", 0))

    def _each_page(
        self, row: type[T], path: str, query: Query, *, limit: int | None = None, private: bool = True
    ) -> AsyncIterator[list[T]]:
        size = endpoints.PAGE_SIZE if limit is None else min(limit, endpoints.PAGE_SIZE)
        ask = self._private if private else self._public
        page_of_rows: type[schema.Page[T]] = schema.Page[row]  # type: ignore[valid-type]  # made at run time

        async def fetch(cursor: str | None) -> tuple[list[T], str | None]:
            page = await ask(page_of_rows, path, {**query, "page_size": size, "cursor": cursor})
            return page.results, page.next

        return each_page(fetch, what=f"GET {path}", venue=VENUE)

    async def _command(
        self, method: str, path: str, operation: str, body: Any, client_order_id: str | None
    ) -> HttpReply:
        return await self._signed_in(
            method,
            path,
            operation=operation,
            body=wire_json.dumps(body),
            effect=Effect.COMMAND,
            quotas=_ORDER_QUOTA,
            client_order_id=client_order_id,
        )

    async def _cancel(
        self, path: str, operation: str, *, params: Query | None = None, body: bytes | None = None
    ) -> HttpReply:
        return await self._signed_in(
            "DELETE",
            path,
            operation=operation,
            params=params or {},
            body=body,
            effect=Effect.IDEMPOTENT,
            quotas=_ORDER_QUOTA,
            priority=Priority.CANCEL,
        )

    async def _signed_in(self, method: str, path: str, **request: Any) -> HttpReply:
        """Ask with a token. One that is refused is replaced once: a 401 proves that nothing was done."""
        request.setdefault("quotas", _PRIVATE_QUOTA)
        token = await self._token(**request)
        try:
            return await self._ask(method, path, headers=_bearer(token), **request)
        except AuthError as error:
            if error.status != _UNAUTHORIZED:
                raise
            if self.tokens is not None:
                self.tokens.drop(token)
            renewed = await self._token(**request)
            if renewed is token:
                raise
        return await self._ask(method, path, headers=_bearer(renewed), **request)

    async def _token(self, *, effect: Effect = Effect.READ, **_: Any) -> Secret:
        """Return a token. Where signing in fails, a command was not sent, whatever the sign-in met."""
        if self.tokens is None:
            msg = "this needs credentials: set private_key, subkey or readonly_token"
            raise CredentialsError(msg, venue=VENUE)
        if effect is not Effect.COMMAND:
            return await self.tokens.token()
        with before_sending("signing in failed", venue=VENUE):
            return await self.tokens.token()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        quotas: Mapping[str, int],
        operation: str | None = None,
        params: Query | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect = Effect.READ,
        priority: Priority = Priority.NORMAL,
        client_order_id: str | None = None,
    ) -> HttpReply:
        name = operation or f"{method} {path}"
        reply = await self._http.request(
            method,
            path,
            operation=name,
            effect=effect,
            params=params or {},
            body=body,
            headers=headers,
            quotas=quotas,
            priority=priority,
            client_order_id=client_order_id,
        )
        self._raise_for(reply, name, effect, client_order_id)
        return reply

    def _raise_for(self, reply: HttpReply, operation: str, effect: Effect, client_order_id: str | None) -> None:
        """Raise what the reply says no with; return when it says yes."""
        if reply.body.strip() or reply.status >= 500:
            failure = classify_gateway_failure(reply, venue=VENUE, operation=operation, client_order_id=client_order_id)
            if failure is not None:
                raise failure
        if reply.status >= 400:
            raise self._refusal(reply, effect is Effect.COMMAND, operation=operation, client_order_id=client_order_id)

    def _require_done(self, reply: HttpReply, operation: str) -> None:
        """Raise the refusal that a reply may carry under a 2xx, for calls of whose reply nothing else is read."""
        try:
            answer = wire.read(schema.ApiError, reply.body, what=operation, redactor=self._redactor)
        except DecodeError:
            return  # no body is due, and whatever else stands there says no no
        if answer.error:
            raise self._refusal(reply, False, operation=operation, client_order_id=None)

    def _refusal(
        self, reply: HttpReply, is_order_command: bool, *, operation: str, client_order_id: str | None
    ) -> PerpkitError:
        code, message = f"HTTP_{reply.status}", self._redactor.excerpt(reply.body)
        try:
            answer = wire.read(schema.ApiError, reply.body, what=operation, redactor=self._redactor)
        except DecodeError:
            # Not in the venue's envelope: the status alone speaks, and for a 5xx it says nothing of the outcome.
            if reply.status >= 500:
                code = "INTERNAL_ERROR"
        else:
            code, message = self._redactor.text(answer.error), self._redactor.text(answer.message)
        return venue_error(
            code,
            message,
            status=reply.status,
            operation=operation,
            is_order_command=is_order_command,
            client_order_id=client_order_id,
            retry_after=reply.retry_after,
        )

    def _read(self, type_: type[T], reply: HttpReply, what: str) -> T:
        return wire.read(type_, reply.body, what=what, redactor=self._redactor)


def _bearer(token: Secret) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.reveal()}"}


def _client_id(body: Mapping[str, Any]) -> str | None:
    value = body.get("client_id")
    return value if isinstance(value, str) else None
