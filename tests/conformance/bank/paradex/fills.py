"""Broken plugins: fills."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cached_property

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, Fill, FillKind, Liquidity, Market, Order
from tests.conformance.bank.paradex.shapes import StreamPlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


class _Fills(ParadexVenue):
    """Changes each fill that is fetched."""

    def fill(self, fill: Fill) -> Fill:
        """Return the changed fill."""
        raise NotImplementedError

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """See the class."""
        return [self.fill(each) for each in await super().fetch_fills(market, since, until, limit)]


@broken(
    rules="fills-exactly-once",
    knock_on="fill-pages-are-complete odd-frames-are-ignored random-histories-agree reconnect-loses-nothing "
    "resync-repeats-nothing soak-stays-bounded sockets-fail-typed tokens-roll-over",
    checks="FL1",
)
class OtherIdsOverRest(ParadexVenue):
    """Gives a fill that is read again after a reconnect another id than the stream gave it, so that it counts twice."""

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """See the class."""
        fills = await super().fetch_fills(market, since, until, limit)
        return fills if since is None else [each.replace(fill_id=f"rest-{each.fill_id}") for each in fills]


@broken(
    rules="fills-exactly-once",
    knock_on="fees-are-the-ledgers fill-kinds-are-typed fill-pages-are-complete fill-side-is-ours ledger-identity "
    "liquidations-are-labelled odd-frames-are-ignored old-positions-are-adopted random-histories-agree "
    "reconnect-loses-nothing sizes-are-base-units soak-stays-bounded sockets-fail-typed "
    "subscriptions-yield timestamps-plausible tokens-roll-over unknown-enum-values-survive "
    "venue-time-apart",
    checks="FL1",
    mistakes="M2",
)
class TradesAlwaysEmpty(ParadexVenue):
    """Asks for fills and hands none on."""

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """See the class."""
        return [each for each in await super().fetch_fills(market, since, until, limit) if not each.size]


class _NoAverage(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event.replace(average_price=None) if isinstance(event, Order) else event


@broken(rules="fills-add-up", knock_on="resync-repeats-nothing", checks="FL2")
class AveragePriceOfNone(StreamPlugin):
    """Streams orders without the average price of their fills."""

    stream_type = _NoAverage


@broken(
    rules="fees-are-the-ledgers",
    knock_on="fill-kinds-are-typed fill-pages-are-complete fills-exactly-once ledger-identity "
    "liquidations-are-labelled old-positions-are-adopted random-histories-agree",
    checks="FL3",
)
class FeeSignInverted(_Fills):
    """Shows a fee that was paid as a rebate."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(fee=-fill.fee)


@broken(
    rules="fees-are-the-ledgers",
    knock_on="fill-kinds-are-typed fill-pages-are-complete fills-exactly-once ledger-identity "
    "liquidations-are-labelled old-positions-are-adopted random-histories-agree",
    checks="FL3",
    mistakes="M18",
)
class FeeOfNothing(_Fills):
    """Has a fee of 0 as a constant."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(fee=Decimal(0))


class _KnownOrdersOnly(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, Order):
            (self.plugin.known.discard if event.is_terminal else self.plugin.known.add)(event.venue_order_id)
        if isinstance(event, Fill) and event.venue_order_id not in self.plugin.known:
            return None
        return event


@broken(
    rules="fills-around-acknowledgements",
    knock_on="fees-are-the-ledgers fill-kinds-are-typed fill-side-is-ours fills-exactly-once "
    "liquidations-are-labelled message-disorder-is-harmless schema-changes-survive "
    "slow-consumers-are-told sockets-fail-typed subscriptions-yield timestamps-plausible "
    "unknown-enum-values-survive venue-time-apart",
    checks="FL4",
)
class FillOfUnknownOrderDropped(StreamPlugin):
    """Drops a streamed fill when it does not know the order yet, or no longer."""

    stream_type = _KnownOrdersOnly

    @cached_property
    def known(self) -> set[str | None]:
        return set()


@broken(rules="fill-pages-are-complete", checks="FL5")
class HundredFills(ParadexVenue):
    """Reads 100 rows and no more."""

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """See the class."""
        return (await super().fetch_fills(market, since, until, limit))[-100:]


@broken(rules="liquidations-are-labelled fill-kinds-are-typed", checks="FL6 PS9")
class LiquidationIsATrade(_Fills):
    """Labels every fill as a trade."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(kind=FillKind.TRADE)


@broken(
    rules="fill-side-is-ours",
    knock_on="fees-are-the-ledgers fill-kinds-are-typed ledger-identity liquidations-are-labelled "
    "random-histories-agree",
    checks="FL7",
)
class TakersSideForMaker(_Fills):
    """Hands on the taker's side where the account was the maker."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(side=fill.side.opposite) if fill.liquidity is Liquidity.MAKER else fill


@broken(
    rules="ledger-identity",
    knock_on="fees-are-the-ledgers fill-kinds-are-typed fill-pages-are-complete fill-side-is-ours "
    "fills-exactly-once liquidations-are-labelled old-positions-are-adopted random-histories-agree",
    checks="FL8",
)
class RealizedPnlInverted(_Fills):
    """Shows a realized loss as a gain."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill if fill.realized_pnl is None else fill.replace(realized_pnl=-fill.realized_pnl)
