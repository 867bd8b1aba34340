"""The raw client: one method for each endpoint, in Toy's words, returning schema types. It signs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec
from perpkit.core.clock import EPOCH, Clock, from_ms
from perpkit.core.errors import (
    AuthError,
    CredentialsError,
    DecodeError,
    NotSentError,
    OrderRejectedError,
    PerpkitError,
    RejectReason,
    TransportError,
)
from perpkit.core.transport import wire_json
from perpkit.core.transport.http import HttpClient, HttpReply, segment
from perpkit.core.transport.ratelimit import Priority, Quota
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.retry import Effect

from perpkit_toy import schema, signing, wire
from perpkit_toy.config import VENUE, Credentials
from perpkit_toy.errors import STALE, foreign_error, venue_error

T = TypeVar("T")

Query = Mapping[str, str]

PAGE: Final = 100
QUOTA: Final = Quota("requests", ((1500, timedelta(minutes=1)),), cancel_reserve=0.1)
"""Contract, ``info.description``: 1,500 requests a minute from one address."""

_FIRST_BAD_STATUS = 400
_MILLISECOND = timedelta(milliseconds=1)


class RestClient:
    """
    Toy's REST API.

    Args:
        credentials: None for public data only.
    """

    def __init__(self, http: HttpClient, clock: Clock, redactor: Redactor, credentials: Credentials | None) -> None:
        self._http = http
        self._clock = clock
        self._redactor = redactor
        self._credentials = credentials
        self._skew = timedelta(0)
        self._knows_clock = False

    # Public

    async def get_status(self) -> tuple[schema.Status, datetime, datetime]:
        """``GET /status``, with when it was sent and when the answer came."""
        reply = await self._ask("GET", "/status", {}, operation="GET /status")
        return self._read(schema.Status, reply, "GET /status"), reply.sent_at, reply.received_at

    async def get_markets(self) -> list[msgspec.Raw]:
        """``GET /markets``: raw rows, so that one that can't be read does not hide the rest."""
        listing = await self._get(schema.Rows[msgspec.Raw], "/markets", private=False)
        return listing.rows or []

    async def get_tickers(self, symbol: str | None = None) -> list[schema.Ticker]:
        """``GET /tickers``"""
        query = {"symbol": symbol} if symbol is not None else {}
        return (await self._get(schema.Rows[schema.Ticker], "/tickers", query, private=False)).rows or []

    async def get_book(self, symbol: str, depth: int | None) -> schema.Book:
        """``GET /book``"""
        query = {"symbol": symbol, **({"depth": str(depth)} if depth is not None else {})}
        return await self._get(schema.Book, "/book", query, private=False)

    async def get_trades(self, query: Query, limit: int | None) -> list[schema.Trade]:
        """``GET /trades``, newest first."""
        return await self._pages(schema.Trade, "/trades", query, limit, private=False)

    async def get_funding_history(self, query: Query, limit: int | None) -> list[schema.Funding]:
        """``GET /funding-history``, newest first."""
        return await self._pages(schema.Funding, "/funding-history", query, limit, private=False)

    # Account

    async def get_account(self) -> schema.Account:
        """``GET /account``"""
        return await self._get(schema.Account, "/account")

    async def get_balances(self) -> list[schema.Balance]:
        """``GET /balances``"""
        return (await self._get(schema.Rows[schema.Balance], "/balances")).rows or []

    async def get_positions(self) -> list[schema.Position]:
        """``GET /positions``: the open ones."""
        rows = (await self._get(schema.Rows[schema.Position], "/positions")).rows
        if rows is None:
            # Elsewhere null may stand for an empty list. Here it would look flat.
            raise DecodeError("rows is null; no position is an empty list", venue=VENUE, operation="GET /positions")
        return rows

    async def get_fees(self) -> list[schema.Fees]:
        """``GET /fees``"""
        return (await self._get(schema.Rows[schema.Fees], "/fees")).rows or []

    async def get_fills(self, query: Query, limit: int | None) -> list[schema.Fill]:
        """``GET /fills``, newest first."""
        return await self._pages(schema.Fill, "/fills", query, limit)

    async def get_funding_payments(self, query: Query, limit: int | None) -> list[schema.Payment]:
        """``GET /funding-payments``, newest first."""
        return await self._pages(schema.Payment, "/funding-payments", query, limit)

    # Orders

    async def post_order(self, body: Mapping[str, Any]) -> schema.Order:
        """``POST /orders``"""
        reply = await self._signed("POST", "/orders", {}, operation="POST /orders", body=wire_json.dumps(dict(body)))
        return self._read(schema.Order, reply, "POST /orders")

    async def get_orders(self, symbol: str | None) -> list[schema.Order]:
        """``GET /orders``: the open ones."""
        query = {"symbol": symbol} if symbol is not None else {}
        return (await self._get(schema.Rows[schema.Order], "/orders", query)).rows or []

    async def get_order(self, order_id: str) -> schema.Order:
        """``GET /orders/{order_id}``: open or over."""
        return await self._get(schema.Order, f"/orders/{segment(order_id)}", operation="GET /orders/{order_id}")

    async def get_order_by_client_id(self, client_id: str) -> schema.Order:
        """``GET /orders/by-client-id/{client_id}``: open or over."""
        path = f"/orders/by-client-id/{segment(client_id)}"
        return await self._get(schema.Order, path, operation="GET /orders/by-client-id/{client_id}")

    async def get_orders_history(self, query: Query, limit: int | None) -> list[schema.Order]:
        """``GET /orders-history``, newest first."""
        return await self._pages(schema.Order, "/orders-history", query, limit)

    async def delete_order(self, order_id: str) -> schema.Canceled:
        """``DELETE /orders/{order_id}``"""
        return await self._cancel(f"/orders/{segment(order_id)}", {}, "DELETE /orders/{order_id}")

    async def delete_order_by_client_id(self, client_id: str) -> schema.Canceled:
        """``DELETE /orders/by-client-id/{client_id}``"""
        path = f"/orders/by-client-id/{segment(client_id)}"
        return await self._cancel(path, {}, "DELETE /orders/by-client-id/{client_id}")

    async def delete_orders(self, symbol: str | None) -> schema.Canceled:
        """``DELETE /orders``: every open one, of one market where it is named."""
        return await self._cancel("/orders", {"symbol": symbol} if symbol is not None else {}, "DELETE /orders")

    # Signing

    async def sign_in(self) -> dict[str, Any]:
        """Return what signs a WebSocket in, dated by the venue's clock."""
        credentials = self.require_credentials("open_stream")
        await self.learn_clock()
        time_ms = self._now_ms()
        signature = signing.sign(credentials.secret, signing.sign_in_message(time_ms))
        return {"key": credentials.key.reveal(), "time": time_ms, "signature": signature}

    async def learn_clock(self) -> None:
        """Compare our clock with the venue's; from now on requests are dated by the venue's."""
        status, sent, received = await self.get_status()
        self._skew = from_ms(status.time) - (sent + (received - sent) / 2)
        self._knows_clock = True

    async def prepare(self, operation: str) -> None:
        """Make sure that a command can be signed and dated, so that what fails here is known to have sent nothing."""
        self.require_credentials(operation)
        if not self._knows_clock:
            try:
                await self.learn_clock()
            except (TransportError, DecodeError) as error:
                message = f"not sent: the venue's clock can't be had ({error.message})"
                raise NotSentError(message, venue=VENUE, operation=operation) from error

    def require_credentials(self, operation: str) -> Credentials:
        """
        Return the credentials.

        Raises:
            CredentialsError: There are none. Nothing was sent.
        """
        if self._credentials is None:
            raise CredentialsError("api_key and api_secret are needed for this", venue=VENUE, operation=operation)
        return self._credentials

    # Plumbing

    def _now_ms(self) -> int:
        return (self._clock.now() + self._skew - EPOCH) // _MILLISECOND

    async def _get(
        self,
        type_: type[T],
        path: str,
        query: Query | None = None,
        *,
        private: bool = True,
        operation: str | None = None,
    ) -> T:
        name = operation or f"GET {path}"
        ask = self._signed if private else self._ask
        return self._read(type_, await ask("GET", path, query or {}, operation=name), name)

    async def _pages(
        self, row: type[T], path: str, query: Query, limit: int | None, *, private: bool = True
    ) -> list[T]:
        """Follow cursors, newest first, until there is no next page or the limit is reached."""
        page_of: type[schema.Page[T]] = schema.Page[row]  # type: ignore[valid-type]  # made at run time
        rows: list[T] = []
        seen: set[str] = set()
        cursor: dict[str, str] = {}
        while True:
            size = {"limit": str(PAGE if limit is None else min(limit, PAGE))}
            page = await self._get(page_of, path, {**query, **size, **cursor}, private=private)
            rows += page.rows or []
            if page.next is None or not page.rows or (limit is not None and len(rows) >= limit):
                return rows[:limit]
            if page.next in seen:
                raise DecodeError("its pages never end: a cursor came twice", venue=VENUE, operation=f"GET {path}")
            seen.add(page.next)
            cursor = {"cursor": page.next}

    async def _cancel(self, path: str, query: Query, operation: str) -> schema.Canceled:
        # A cancel may be repeated: canceling twice cancels once.
        effect, priority = Effect.IDEMPOTENT, Priority.CANCEL
        reply = await self._signed("DELETE", path, query, operation=operation, effect=effect, priority=priority)
        return self._read(schema.Canceled, reply, operation)

    async def _signed(self, method: str, path: str, query: Query, *, operation: str, **options: Any) -> HttpReply:
        """Send with a signature; a read that the venue finds dated wrongly goes once more, with the venue's time."""
        credentials = self.require_credentials(operation)
        try:
            return await self._send_signed(credentials, method, path, query, operation=operation, **options)
        except AuthError as error:
            if error.code != STALE:
                raise
            if method != "GET":
                # It came too late: whoever sent it decides whether it is still wanted.
                self._knows_clock = False
                raise OrderRejectedError(error.message, reason=RejectReason.EXPIRED, code=STALE, venue=VENUE) from error
        await self.learn_clock()
        return await self._send_signed(credentials, method, path, query, operation=operation, **options)

    async def _send_signed(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        query: Query,
        *,
        operation: str,
        body: bytes | None = None,
        **options: Any,
    ) -> HttpReply:
        time_ms = self._now_ms()
        message = signing.request_message(time_ms, method, path, query, body or b"")
        headers = {
            "X-Api-Key": credentials.key.reveal(),
            "X-Time": str(time_ms),
            "X-Signature": signing.sign(credentials.secret, message),
        }
        return await self._ask(method, path, query, operation=operation, body=body, headers=headers, **options)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Query,
        *,
        operation: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        effect: Effect | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> HttpReply:
        reply = await self._http.request(
            method,
            path,
            operation=operation,
            effect=effect or (Effect.COMMAND if body is not None else Effect.READ),
            params=query,
            body=body,
            headers=headers,
            quotas={QUOTA.name: 1},
            priority=priority,
        )
        if reply.status >= _FIRST_BAD_STATUS:
            error = self._refusal(reply)
            error.operation = operation
            raise error
        return reply

    def _refusal(self, reply: HttpReply) -> PerpkitError:
        try:
            failure = wire.read(schema.Failure, reply.body, what="a refusal", redactor=self._redactor)
        except DecodeError:
            return foreign_error(reply.status, reply.retry_after)
        message = self._redactor.text(failure.message)
        return venue_error(failure.code, message, status=reply.status, retry_after=reply.retry_after)

    def _read(self, type_: type[T], reply: HttpReply, what: str) -> T:
        return wire.read(type_, reply.body, what=what, redactor=self._redactor)
