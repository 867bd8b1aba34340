"""Broken plugins: fills."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, Fill, FillKind, Liquidity, Market, Order
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import StreamPlugin, TamperedStream


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


@broken(rules="fills-exactly-once", checks="FL1")
class OtherIdsOverRest(_Fills):
    """Gives a fetched fill another id than the stream gives it, so that it counts twice after a reconnect."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(fill_id=f"rest-{fill.fill_id}")


@broken(rules="fills-exactly-once", checks="FL1", mistakes="M2")
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


@broken(rules="fills-add-up", checks="FL2")
class AveragePriceOfNone(StreamPlugin):
    """Streams orders without the average price of their fills."""

    stream_type = _NoAverage


@broken(rules="fees-are-the-ledgers", checks="FL3")
class FeeSignInverted(_Fills):
    """Shows a fee that was paid as a rebate."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(fee=-fill.fee)


@broken(rules="fees-are-the-ledgers", checks="FL3", mistakes="M18")
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


@broken(rules="fills-around-acknowledgements", checks="FL4")
class FillOfUnknownOrderDropped(StreamPlugin):
    """Drops a streamed fill when it does not know the order yet, or no longer."""

    stream_type = _KnownOrdersOnly

    def __init__(self, context) -> None:
        super().__init__(context)
        self.known: set[str | None] = set()


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


@broken(rules="fill-side-is-ours", checks="FL7")
class TakersSideForMaker(_Fills):
    """Hands on the taker's side where the account was the maker."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(side=fill.side.opposite) if fill.liquidity is Liquidity.MAKER else fill


@broken(rules="ledger-identity", checks="FL8")
class RealizedPnlInverted(_Fills):
    """Shows a realized loss as a gain."""

    def fill(self, fill: Fill) -> Fill:
        """See the class."""
        return fill.replace(realized_pnl=-(fill.realized_pnl or Decimal(0)))
