"""
The raw REST client: one method an endpoint, in the venue's names, returning schema types. It adds tokens, maps errors
and follows cursors; it knows no core models.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.config import VENUE, Tier
from perpkit.adapters.lighter.errors import BAD_TOKEN, venue_error
from perpkit.adapters.lighter.signing.auth_token import Tokens
from perpkit.adapters.lighter.signing.tx import Signed
from perpkit.core.errors import AuthError, CredentialsError, DecodeError, OrderNotFoundError, PerpkitError
from perpkit.core.transport import loose_json, wire_json
from perpkit.core.transport.http import HttpClient, HttpReply, ParamValue, classify_gateway_failure
from perpkit.core.transport.pages import each_page
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.core.transport.retry import Effect

log = logging.getLogger(__name__)

T = TypeVar("T")

Query = Mapping[str, ParamValue]

_KINDS = ("perp", "spot", "binary_options")

_OK = (200, 0)
"""Answers in a body's ``code``; nested objects carry a meaningless 0."""
_UNAUTHORIZED = 401
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class RestClient:
    """
    Talks to the REST API.

    Args:
        http: Opened by its owner, with the limiter of ``endpoints.quotas``.
        tokens: None serves what anybody may read.
    """

    def __init__(self, http: HttpClient, redactor: Redactor, tier: Tier, tokens: Tokens | None) -> None:
        self._http = http
        self._redactor = redactor
        self._tier = tier
        self._tokens = tokens

    # System and markets

    async def get_status(self) -> tuple[schema.Status, HttpReply]:
        """``GET /``, with the reply for its times of sending and receiving."""
        reply = await self._ask("GET", endpoints.STATUS, quotas=self._weighed(endpoints.STATUS))
        return self._read(schema.Status, reply, "GET /"), reply

    async def get_order_book_details(self, market_id: int = endpoints.ALL_MARKETS) -> list[schema.OrderBookDetail]:
        """
        ``GET /api/v1/orderBookDetails``: the perpetuals. Other kinds are left out, and so is a row that can't be read,
        which is logged; of one market alone it is an error.
        """
        what = f"GET {endpoints.ORDER_BOOK_DETAILS}"
        query: Query = {"market_id": market_id, "filter": "perp"}
        answer = await self._public(schema.OrderBookDetails, endpoints.ORDER_BOOK_DETAILS, query)
        found: list[schema.OrderBookDetail] = []
        for row in answer.order_book_details or ():
            try:
                kind = loose_json.read(schema.MarketKind, row, what=what, venue=VENUE, redactor=self._redactor)
                if kind.market_type not in _KINDS:
                    raise DecodeError(f"market {kind.symbol}: market_type {kind.market_type!r} is unknown", venue=VENUE)
                if kind.market_type == "perp":
                    named = f"market {kind.symbol}"
                    found.append(
                        loose_json.read(schema.OrderBookDetail, row, what=named, venue=VENUE, redactor=self._redactor)
                    )
            except DecodeError as error:
                if market_id != endpoints.ALL_MARKETS:
                    raise
                log.warning("a market is left out: %s", error)
        return found

    async def get_order_book_orders(self, market_id: int, limit: int) -> schema.OrderBookOrders:
        """``GET /api/v1/orderBookOrders``"""
        query = {"market_id": market_id, "limit": limit}
        return await self._public(schema.OrderBookOrders, endpoints.ORDER_BOOK_ORDERS, query)

    async def get_recent_trades(self, market_id: int, limit: int) -> list[schema.Trade]:
        """``GET /api/v1/recentTrades``, newest first."""
        query = {"market_id": market_id, "limit": limit}
        return (await self._public(schema.Trades, endpoints.RECENT_TRADES, query)).trades or []

    def pages_of_trades(self, query: Query, *, private: bool) -> AsyncIterator[list[schema.Trade]]:
        """``GET /api/v1/trades``, newest first; those of an account need a token."""

        async def fetch(page: Query) -> tuple[list[schema.Trade], str | None]:
            ask = self._private if private else self._public
            answer = await ask(schema.Trades, endpoints.TRADES, page)
            return answer.trades or [], answer.next_cursor

        return self._pages(endpoints.TRADES, {"sort_by": "timestamp", "sort_dir": "desc", **query}, fetch)

    async def get_candles(self, path: str, query: Query) -> list[schema.Candle]:
        """``GET /api/v1/candles`` or ``markPriceCandles``"""
        return (await self._public(schema.Candles, path, query)).candles or []

    async def get_fundings(self, query: Query) -> list[schema.Funding]:
        """``GET /api/v1/fundings``"""
        return (await self._public(schema.Fundings, endpoints.FUNDINGS, query)).fundings or []

    async def get_funding_rates(self) -> list[schema.FundingRate]:
        """``GET /api/v1/funding-rates``: of this exchange and of others."""
        return (await self._public(schema.FundingRates, endpoints.FUNDING_RATES)).funding_rates or []

    # Accounts: public on this venue

    async def get_account(self, by: str, value: str) -> list[schema.Account]:
        """``GET /api/v1/account``; ``by`` is ``index`` or ``l1_address``, and nothing else."""
        query = {"by": by, "value": value}
        return (await self._public(schema.Accounts, endpoints.ACCOUNT, query)).accounts or []

    async def get_api_keys(self, account_index: int) -> list[schema.ApiKey]:
        """``GET /api/v1/apikeys``"""
        return (await self._public(schema.ApiKeys, endpoints.API_KEYS, {"account_index": account_index})).api_keys or []

    async def get_next_nonce(self, account_index: int, api_key_index: int) -> int:
        """``GET /api/v1/nextNonce``"""
        query = {"account_index": account_index, "api_key_index": api_key_index}
        return (await self._public(schema.NextNonce, endpoints.NEXT_NONCE, query)).nonce

    async def get_tx(self, tx_hash: str) -> schema.Tx | None:
        """``GET /api/v1/tx?by=hash``; None while the venue has none of it."""
        try:
            return await self._public(schema.Tx, endpoints.TX, {"by": "hash", "value": tx_hash})
        except OrderNotFoundError:
            return None

    # What is private

    async def get_account_limits(self, account_index: int) -> schema.AccountLimits:
        """``GET /api/v1/accountLimits``"""
        return await self._private(schema.AccountLimits, endpoints.ACCOUNT_LIMITS, {"account_index": account_index})

    async def get_active_orders(self, account_index: int, market_id: int) -> list[schema.Order]:
        """``GET /api/v1/accountActiveOrders``; the market is always named, older servers want it."""
        query = {"account_index": account_index, "market_id": market_id}
        return (await self._private(schema.Orders, endpoints.ACTIVE_ORDERS, query)).orders or []

    def pages_of_inactive_orders(self, account_index: int, market_id: int) -> AsyncIterator[list[schema.Order]]:
        """``GET /api/v1/accountInactiveOrders``, newest first, as far back as the venue keeps them."""

        async def fetch(page: Query) -> tuple[list[schema.Order], str | None]:
            answer = await self._private(schema.Orders, endpoints.INACTIVE_ORDERS, page)
            return answer.orders or [], answer.next_cursor

        query = {"account_index": account_index, "market_id": market_id}
        return self._pages(endpoints.INACTIVE_ORDERS, query, fetch)

    async def get_account_orders(self, account_index: int, client_order_index: int) -> list[schema.Order]:
        """``GET /api/v1/accountOrders``: every order of one client index."""
        query = {"account_index": account_index, "client_order_indexes": client_order_index}
        return (await self._private(schema.Orders, endpoints.ACCOUNT_ORDERS, query)).orders or []

    def pages_of_position_funding(
        self, account_index: int, market_id: int, query: Query
    ) -> AsyncIterator[list[schema.PositionFunding]]:
        """``GET /api/v1/positionFunding``, newest first."""

        async def fetch(page: Query) -> tuple[list[schema.PositionFunding], str | None]:
            answer = await self._private(schema.PositionFundings, endpoints.POSITION_FUNDING, page)
            return answer.position_fundings or [], answer.next_cursor

        asked = {"account_index": account_index, "market_id": market_id, **query}
        return self._pages(endpoints.POSITION_FUNDING, asked, fetch)

    # Transactions

    async def send_tx(
        self,
        tx: Signed,
        *,
        operation: str,
        is_order_command: bool,
        priority: Priority,
        client_order_id: str | None = None,
    ) -> str:
        """``POST /api/v1/sendTx``; returns the hash. ``tx_info`` goes out as it was signed."""
        reply = await self._send(
            endpoints.SEND_TX,
            {"tx_type": str(tx.code), "tx_info": tx.info},
            operation=operation,
            is_order_command=is_order_command,
            priority=priority,
            client_order_id=client_order_id,
        )
        return self._read(schema.Sent, reply, f"POST {endpoints.SEND_TX}").tx_hash

    async def send_tx_batch(
        self, txs: Sequence[Signed], *, operation: str, is_order_command: bool, priority: Priority
    ) -> list[str]:
        """``POST /api/v1/sendTxBatch``; returns the hashes. Types and infos are JSON texts, the infos twice over."""
        reply = await self._send(
            endpoints.SEND_TX_BATCH,
            {
                "tx_types": wire_json.dumps([tx.code for tx in txs]).decode(),
                "tx_infos": wire_json.dumps([tx.info for tx in txs]).decode(),
            },
            operation=operation,
            is_order_command=is_order_command,
            priority=priority,
        )
        return self._read(schema.SentBatch, reply, f"POST {endpoints.SEND_TX_BATCH}").tx_hash or []

    # Plumbing

    def _weighed(self, path: str) -> dict[str, int]:
        return {endpoints.READS: endpoints.weight(path, self._tier)}

    async def _public(self, type_: type[T], path: str, query: Query | None = None) -> T:
        reply = await self._ask("GET", path, params=query or {}, quotas=self._weighed(path))
        return self._read(type_, reply, f"GET {path}")

    async def _private(self, type_: type[T], path: str, query: Query) -> T:
        """Ask with a token. One that is refused is replaced once."""
        token = await self._token()
        try:
            reply = await self._with_token(path, query, token)
        except AuthError as error:
            if error.code != BAD_TOKEN and error.status != _UNAUTHORIZED:
                raise
            if self._tokens is not None:
                self._tokens.drop(token)
            renewed = await self._token()
            if renewed == token:
                raise
            reply = await self._with_token(path, query, renewed)
        return self._read(type_, reply, f"GET {path}")

    async def _with_token(self, path: str, query: Query, token: Secret) -> HttpReply:
        headers = {"Authorization": token.reveal()}
        return await self._ask("GET", path, params=query, headers=headers, quotas=self._weighed(path))

    async def _token(self) -> Secret:
        if self._tokens is None:
            msg = "this needs credentials: set api_private_key with api_key_index, or readonly_token"
            raise CredentialsError(msg, venue=VENUE)
        return await self._tokens.token()

    def _pages(
        self, path: str, query: Query, fetch: Callable[[Query], Awaitable[tuple[list[T], str | None]]]
    ) -> AsyncIterator[list[T]]:
        async def page(cursor: str | None) -> tuple[list[T], str | None]:
            return await fetch({"limit": endpoints.MAX_ROWS, **query, "cursor": cursor})

        return each_page(page, what=f"GET {path}", venue=VENUE)

    async def _send(self, path: str, form: Mapping[str, str], **request: Any) -> HttpReply:
        return await self._ask(
            "POST",
            path,
            body=urlencode(form).encode(),
            headers=_FORM,
            effect=Effect.COMMAND,
            # Taken before the key's turn: an order that waits for room must not keep a cancel from its key.
            quotas={},
            **request,
        )

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
        is_order_command: bool = False,
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
        failure = classify_gateway_failure(reply, venue=VENUE, operation=name, client_order_id=client_order_id)
        if failure is not None:
            raise failure
        refused = self._refusal(reply, name, is_order_command=is_order_command, client_order_id=client_order_id)
        if refused is not None:
            raise refused
        return reply

    def _refusal(
        self, reply: HttpReply, operation: str, *, is_order_command: bool, client_order_id: str | None
    ) -> PerpkitError | None:
        """Return what a reply says no with; a no may come under HTTP 200."""
        try:
            answer = loose_json.read(
                schema.ResultCode, reply.body, what=operation, venue=VENUE, redactor=self._redactor
            )
        except DecodeError:
            if reply.status < 400:
                raise
            answer = schema.ResultCode(code=reply.status, message=self._redactor.excerpt(reply.body))
        if reply.status < 400 and answer.code in _OK:
            return None
        return venue_error(
            answer.code if answer.code not in _OK else reply.status,
            self._redactor.text(answer.message),
            status=reply.status,
            operation=operation,
            is_order_command=is_order_command,
            client_order_id=client_order_id,
            retry_after=reply.retry_after,
        )

    def _read(self, type_: type[T], reply: HttpReply, what: str) -> T:
        return loose_json.read(type_, reply.body, what=what, venue=VENUE, redactor=self._redactor)
