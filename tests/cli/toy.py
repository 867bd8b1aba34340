"""
A venue for the tests of the command line: it lives in memory, and its environment variables say how it misbehaves.

``TOY_FAULTS`` is a list of ``hook=error`` with commas between; ``TOY_SKEW_MS`` puts the venue's clock ahead; without
``TOY_KEY`` private hooks refuse; ``TOY_WS`` is where its streams are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.capabilities import Capabilities, RateLimit, VenueDescription
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    ConfigError,
    ConnectError,
    CredentialsError,
    DecodeError,
    OrderNotFoundError,
    RateLimitError,
    RequestTimeoutError,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookLevel,
    BookSnapshot,
    CancelResult,
    Channel,
    FundingAccrual,
    FundingKind,
    FundingPayment,
    FundingRate,
    Instrument,
    Market,
    MarketStatus,
    Order,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Position,
    PriceKind,
    Side,
    Subscription,
    Ticker,
    VenueHealth,
    VenueStatus,
)
from perpkit.core.streams.protocol import Ack, Data, Frame, Incoming, Refusal, StreamEndpoint, StreamTraits, Topic

D = Decimal
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

ERRORS = {
    "auth": lambda: AuthError("invalid signature", code="TOY_401", status=401),
    "html": lambda: BadGatewayError("502 with an HTML page", status=502),
    "timeout": lambda: RequestTimeoutError("no answer in 10 s"),
    "connect": lambda: ConnectError("connection refused"),
    "rate": lambda: RateLimitError("too many requests", status=429, retry_after=timedelta(seconds=7)),
    "decode": lambda: DecodeError("'size' is missing"),
    "credentials": lambda: CredentialsError("the key file /tmp/key can be read by others; run: chmod 600 /tmp/key"),
    "config": lambda: ConfigError("the server is of another chain than the environment"),
    "bug": lambda: KeyError("surprise"),
}


def market(base: str, status: MarketStatus = MarketStatus.OPEN, *, tick: str = "0.5") -> Market:
    """Return a market of the toy."""
    return Market(
        venue="toy",
        symbol=f"{base}_PERP",
        instrument=Instrument.of(base, "USD", "USDC"),
        tick_size=D(tick),
        step_size=D("0.001"),
        min_notional=D(10),
        max_size=D(100),
        maker_fee=D("-0.00005"),
        taker_fee=D("0.0003"),
        funding_interval=timedelta(hours=8),
        funding_accrual=FundingAccrual.CONTINUOUS,
        max_leverage=D(50),
        status=status,
    )


def rate(market_id: str, value: str, hours: int) -> FundingRate:
    """Return a funding rate of the toy."""
    return FundingRate(
        market_id=market_id,
        value=D(value),
        period=timedelta(hours=hours),
        kind=FundingKind.CURRENT,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=NOW,
        notional_price=PriceKind.INDEX,
        mark_price=D("100000.50"),
        source="toy",
        ts_received=NOW,
    )


class ToyVenue:
    """The plugin."""

    calls: list[str] = []  # noqa: RUF012 - shared on purpose: commands open the venue out of the test's reach

    def __init__(self, context: VenueContext) -> None:
        self.context = context
        self.faults = dict(each.split("=") for each in context.environ.get("TOY_FAULTS", "").split(",") if each)
        unknown = set(context.settings) - {"rest_url", "ws_url", "credentials_file"}
        if unknown:
            raise ConfigError(f"unknown setting {', '.join(sorted(unknown))}")
        self._meet("init")

    def _meet(self, hook: str, *, private: bool = False) -> None:
        self.calls.append(hook)
        if hook in self.faults:
            raise ERRORS[self.faults[hook]]()
        if private and not self.context.environ.get("TOY_KEY"):
            raise CredentialsError("no key was given: set TOY_KEY")
        if private and self.context.environ["TOY_KEY"] == "leaky-secret-value":
            raise AuthError(f"key {self.context.environ['TOY_KEY']} is wrong", code="BAD_KEY")

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        return VenueDescription(
            name="toy",
            title="Toy",
            environments=("testnet", "mainnet"),
            capabilities=Capabilities(
                channels=frozenset({Channel.BOOK, Channel.ORDERS})
                if self.context.environ.get("TOY_WS")
                else frozenset(),
                order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
                never_accepted_after=timedelta(minutes=5),
            ),
            rate_limits=(
                RateLimit(name="public", requests=1500, per=timedelta(minutes=1), scope="ip", source="the toy's box"),
            ),
        )

    @hookimpl
    async def start(self) -> None:
        self._meet("start")

    @hookimpl
    async def check_health(self) -> VenueHealth:
        self._meet("check_health")
        return VenueHealth(
            venue="toy",
            status=VenueStatus(self.context.environ.get("TOY_STATUS", "ok")),
            clock_skew=timedelta(milliseconds=int(self.context.environ.get("TOY_SKEW_MS", "12"))),
            round_trip=timedelta(milliseconds=40),
            ts_received=NOW,
        )

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        self._meet("fetch_markets")
        return [
            market("ETH"),
            market("BTC", tick="0.00000001"),
            market("kPEPE", MarketStatus.POST_ONLY),
            market("LUNA", MarketStatus.SETTLED),
        ]

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        self._meet("fetch_ticker")
        return Ticker(market_id=market.id, mark_price=D(100), ts_received=NOW)

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        self._meet("fetch_order_book")
        return BookSnapshot(
            market_id=market.id,
            bids=(BookLevel(D("99.5"), D("1.25")), BookLevel(D(99), D(2))),
            asks=(BookLevel(D("100.5"), D("0.75")), BookLevel(D(101), D(3))),
            sequence=17,
            ts_venue=NOW,
            ts_received=NOW,
        )

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        self._meet("fetch_funding_rates")
        return [
            rate("ETH-USD-PERP@toy", "-0.0008", 8),
            rate("BTC-USD-PERP@toy", "0.0001", 1),
            rate("kPEPE-USD-PERP@toy", "0.00000001", 24),
        ]

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        self._meet("fetch_funding_history")
        return [rate(market.id, "0.0001", 8)]

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        self._meet("fetch_funding_payments", private=True)
        amounts = ("1.50", "-0.25")
        return [
            FundingPayment(
                payment_id=str(number),
                market_id="BTC-USD-PERP@toy",
                amount=D(amount),
                asset="USDC",
                ts_venue=NOW,
                ts_received=NOW,
            )
            for number, amount in enumerate(amounts)
        ]

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        self._meet("fetch_account", private=True)
        return AccountSummary(
            account_id="0x1234567890abcdef1234",
            asset="USDC",
            equity=D("1234567.89"),
            free_collateral=D("1000000"),
            initial_margin=D("2000"),
            maintenance_margin=D("1000"),
            unrealized_pnl=D("-12.5"),
            ts_received=NOW,
        )

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        self._meet("fetch_balances", private=True)
        return [Balance(asset="USDC", total=D("1234580.39"), ts_received=NOW)]

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        self._meet("fetch_positions", private=True)
        return [
            Position(
                market_id="BTC-USD-PERP@toy",
                size=D("-0.5"),
                entry_price=D(99975),
                mark_price=D(100000),
                unrealized_pnl=D("-12.5"),
                accrued_funding=D("0.004"),
                leverage=D(10),
                ts_received=NOW,
            )
        ]

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        self._meet("fetch_open_orders", private=True)
        return [
            Order(
                market_id="BTC-USD-PERP@toy",
                client_order_id="mine-1",
                venue_order_id="v1",
                side=Side.BUY,
                type=OrderType.LIMIT,
                status=OrderStatus.OPEN,
                size=D("0.1"),
                price=D(90000),
                post_only=True,
                ts_received=NOW,
            )
        ]

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        self._meet("fetch_order", private=True)
        raise OrderNotFoundError("no such order")

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        raise AssertionError("an order was placed")

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        raise AssertionError("an order was canceled")

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> ToyStream:
        return ToyStream(self.context)


class UnluckyVenue:
    """A plugin that breaks when it is made."""

    def __init__(self, context: VenueContext) -> None:
        raise RuntimeError("no luck")


class ToyStream:
    """Speaks with the server of ``stream_server.py``."""

    traits = StreamTraits()

    def __init__(self, context: VenueContext) -> None:
        self._context = context

    async def endpoint(self, connection: str) -> StreamEndpoint:
        return StreamEndpoint(self._context.environ["TOY_WS"])

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        return [Topic(subscription.channel.value, private=False)]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        return None

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        return json.dumps({"subscribe": topic.name, "id": request_id})

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        return json.dumps({"unsubscribe": topic.name, "id": request_id})

    def keepalive(self) -> Frame | None:
        return None

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        said: dict[str, Any] = json.loads(frame)
        if "ack" in said:
            return [Ack(said["ack"], said["topic"])]
        if "refused" in said:
            return [Refusal(said["refused"], AuthError(said["why"]), said["topic"])]
        levels = {side: tuple(BookLevel(D(price), D(size)) for price, size in said[side]) for side in ("bids", "asks")}
        snapshot = BookSnapshot(
            market_id="BTC-USD-PERP@toy", **levels, sequence=said["number"], ts_venue=received, ts_received=received
        )
        return [Data("book", [snapshot])]
