"""Broken plugins: balances, the account's summary, positions, leverage."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from perpkit.adapters.paradex import decode_account
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import PerpkitError, VenueError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import AccountSummary, Balance, Event, LeverageSetting, MarginMode, Market, Position
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.paradex.shapes import StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


@broken(
    rules="balances-are-the-ledger collateral-counted-once random-histories-agree",
    knock_on="balance-stream-converges empty-accounts-parse ledger-identity ready-after-snapshot "
    "snapshot-semantics sub-keys-act-for-the-account subscriptions-yield",
    checks="BL1",
    mistakes="M1",
)
class BalanceAlwaysZero(ParadexVenue):
    """Asks for the balance and shows 0 whatever comes."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        return [each.replace(total=Decimal(0), available=Decimal(0)) for each in await super().fetch_balances()]


@broken(rules="balances-are-the-ledger", knock_on="balance-stream-converges empty-accounts-parse", checks="BL1")
class AvailableIsTotal(ParadexVenue):
    """Shows margin that is in use as free."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        return [each.replace(available=each.total) for each in await super().fetch_balances()]


@broken(
    rules="collateral-counted-once",
    knock_on="balances-are-the-ledger random-histories-agree schema-changes-survive sub-keys-act-for-the-account "
    "unknown-enum-values-survive",
    checks="BL2",
)
class MarginAsSecondBalance(ParadexVenue):
    """Shows the collateral in use as an asset of its own, beside the cash that holds it."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        balances, account = await super().fetch_balances(), await super().fetch_account()
        used = account.initial_margin or Decimal(0)
        return [*balances, *(each.replace(asset=f"{each.asset}-MARGIN", total=used) for each in balances if used)]


@broken(rules="empty-accounts-parse", checks="BL3", mistakes="M14")
class EmptyAccountIsAnError(ParadexVenue):
    """Takes an account that never had funds for a failure."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        balances = await super().fetch_balances()
        if not any(each.total for each in balances):
            raise VenueError("no such balance", code="404")
        return balances


@broken(rules="empty-accounts-parse", checks="BL3")
class NegativeCutToZero(ParadexVenue):
    """Shows 0 free where the venue says less than nothing."""

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """See the class."""
        account = await super().fetch_account()
        return account.replace(free_collateral=max(Decimal(0), account.free_collateral))


@broken(rules="equity-is-exact", knock_on="collateral-counted-once random-histories-agree", checks="BL4")
class PnlTwiceInEquity(ParadexVenue):
    """Adds the positions' unrealized PnL to an equity that holds it already."""

    @hookimpl
    async def fetch_account(self) -> AccountSummary:
        """See the class."""
        account, positions = await super().fetch_account(), await super().fetch_positions()
        return account.replace(equity=account.equity + sum(each.unrealized_pnl or Decimal(0) for each in positions))


class _StaleAvailable(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, Balance):
            first = self.plugin.first_available.setdefault(event.asset, event.available)
            return event.replace(available=first)
        return event


@broken(rules="balance-stream-converges", checks="BL5")
class StreamedAvailableIsStale(StreamPlugin):
    """After fills the stream goes on telling what was free at first."""

    stream_type = _StaleAvailable

    @cached_property
    def first_available(self) -> dict[str, Any]:
        return {}


@broken(rules="bad-amounts-are-refused", checks="BL6")
class NanBecomesZero(WirePlugin):
    """Reads what is no number as 0."""

    paths = ("/account", "/balance", "/positions", "/fills", "/funding/payments")

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        body = reply.body
        for word in (b'"NaN"', b'"twelve"', b'"-Infinity"'):
            body = body.replace(word, b'"0"')
        return replace(reply, body=body)


@broken(
    rules="position-sign-and-size",
    knock_on="closed-positions-disappear every-position-is-returned flips-and-partial-closes "
    "funding-accrual-is-realized funding-payment-identity ledger-identity old-positions-are-adopted "
    "random-histories-agree snapshot-semantics",
    checks="PS1",
)
class ShortsAreLongs(ParadexVenue):
    """Shows every size without its sign."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [each.replace(size=abs(each.size)) for each in await super().fetch_positions()]


@broken(
    rules="position-sign-and-size",
    knock_on="closed-positions-disappear every-position-is-returned flips-and-partial-closes "
    "funding-accrual-is-realized funding-payment-identity ledger-identity old-positions-are-adopted "
    "position-pnl-is-exact random-histories-agree ready-after-snapshot reconnect-loses-nothing "
    "sizes-are-base-units snapshot-semantics sub-keys-act-for-the-account subscriptions-yield "
    "timestamps-plausible unknown-enum-values-survive",
    checks="PS1",
    mistakes="M1",
)
class PositionsNeverThere(ParadexVenue):
    """Asks for the positions and shows none."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [each for each in await super().fetch_positions() if not each.size]


@broken(
    rules="position-sign-and-size",
    knock_on="broken-snapshots-never-flatten closed-positions-disappear every-position-is-returned "
    "flips-and-partial-closes funding-accrual-is-realized funding-payment-identity ledger-identity "
    "old-positions-are-adopted position-pnl-is-exact random-histories-agree reads-fail-typed "
    "ready-after-snapshot reconnect-loses-nothing sizes-are-base-units snapshot-semantics "
    "sub-keys-act-for-the-account subscriptions-yield timestamps-plausible unknown-enum-values-survive",
    checks="PS1 ST8",
    mistakes="M5",
)
class WrongKeyReadAsNothing(WirePlugin):
    """Reads the positions from a key that the venue does not send, and takes an absent key for an empty list."""

    paths = ("/positions",)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        return reply if b'"positions"' in reply.body else replace(reply, body=b'{"results":[]}')


@broken(
    rules="position-pnl-is-exact",
    knock_on="closed-positions-disappear every-position-is-returned flips-and-partial-closes "
    "old-positions-are-adopted random-histories-agree",
    checks="PS2",
)
class ShortPnlInverted(ParadexVenue):
    """Reckons the PnL of shorts as if they were longs."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [
            each.replace(unrealized_pnl=-each.unrealized_pnl) if each.size < 0 and each.unrealized_pnl else each
            for each in await super().fetch_positions()
        ]


@broken(rules="position-pnl-is-exact", knock_on="old-positions-are-adopted random-histories-agree", checks="PS2")
class FundingInPnl(ParadexVenue):
    """Leaves accrued funding in the unrealized PnL."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [
            each.replace(unrealized_pnl=each.unrealized_pnl + each.accrued_funding)
            if each.unrealized_pnl is not None and each.accrued_funding is not None
            else each
            for each in await super().fetch_positions()
        ]


@broken(rules="closed-positions-disappear", knock_on="snapshot-semantics", checks="PS3")
class ClosedPositionStays(ParadexVenue):
    """Keeps showing a position that the venue leaves out once it is closed."""

    @cached_property
    def _held(self) -> dict[str, Position]:
        return {}

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        self._held |= {each.market_id: each for each in await super().fetch_positions()}
        return list(self._held.values())


@broken(
    rules="broken-snapshots-never-flatten",
    knock_on="bad-amounts-are-refused reads-fail-typed schema-changes-survive unknown-enum-values-survive",
    checks="PS4 FT1",
    mistakes="M15",
)
class ErrorsMeanFlat(ParadexVenue):
    """Swallows what goes wrong while the positions are read, and shows none."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        positions: list[Position] = []
        with contextlib.suppress(PerpkitError):
            positions = await super().fetch_positions()
        return positions


@broken(
    rules="broken-snapshots-never-flatten",
    knock_on="reads-fail-typed schema-changes-survive",
    checks="PS4 FT1",
    mistakes="M15",
)
class OldStateAfterErrors(ParadexVenue):
    """Keeps the old state when a read fails, and tells nobody."""

    _last: tuple[Position, ...] = ()

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        with contextlib.suppress(PerpkitError):
            self._last = tuple(await super().fetch_positions())
        return list(self._last)


@broken(rules="flips-and-partial-closes", knock_on="closed-positions-disappear random-histories-agree", checks="PS5")
class EntryCarriedOverFlip(ParadexVenue):
    """Keeps a position's first entry price, also when it has become a short."""

    @cached_property
    def _entries(self) -> dict[str, Any]:
        return {}

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [
            each.replace(entry_price=self._entries.setdefault(each.market_id, each.entry_price))
            for each in await super().fetch_positions()
        ]


@broken(rules="leverage-is-the-accounts-own", checks="PS6", mistakes="M18")
class MostLeverageShown(ParadexVenue):
    """Shows the market's highest leverage as the account's."""

    @hookimpl
    async def fetch_leverage(self, market: Market) -> LeverageSetting:
        """See the class."""
        setting = await super().fetch_leverage(market)
        return setting.replace(leverage=setting.max_leverage)


@broken(rules="settings-really-change", checks="ST3 PS6", mistakes="M3")
class LeverageOnlyTalkedAbout(ParadexVenue):
    """Reads the setting and says that it has changed; nothing is sent."""

    @hookimpl
    async def set_leverage(self, market: Market, leverage: Decimal) -> LeverageSetting:
        """See the class."""
        setting = await super().fetch_leverage(market)
        return setting.replace(leverage=leverage)


@broken(rules="settings-really-change", checks="ST3 PS6", mistakes="M3")
class MarginModeOnlyTalkedAbout(ParadexVenue):
    """Reads the setting and says that the mode has changed; nothing is sent."""

    @hookimpl
    async def set_margin_mode(self, market: Market, mode: MarginMode) -> LeverageSetting:
        """See the class."""
        setting = await super().fetch_leverage(market)
        return setting.replace(margin_mode=mode)


@broken(rules="every-position-is-returned", checks="PS7")
class TwentyPositions(ParadexVenue):
    """Reads a first page and no other."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return (await super().fetch_positions())[:20]


@broken(rules="every-position-is-returned", checks="PS7")
class OnlyPositionsOfMarketsHeld(ParadexVenue):
    """Leaves out a position whose market was listed since the markets were read."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        rows = [row for row in await self._rest.get_positions() if row.status != "CLOSED"]
        now = self._context.clock.now()
        pairs = [(row, self._context.markets.get_by_symbol(row.market)) for row in rows]
        return [decode_account.position(row, market, now) for row, market in pairs if market is not None]


@broken(
    rules="old-positions-are-adopted",
    knock_on="closed-positions-disappear every-position-is-returned flips-and-partial-closes "
    "funding-accrual-is-realized funding-payment-identity ledger-identity position-pnl-is-exact "
    "position-sign-and-size random-histories-agree ready-after-snapshot sizes-are-base-units "
    "snapshot-semantics sub-keys-act-for-the-account timestamps-plausible",
    checks="PS8",
)
class OnlyThisSessionsPositions(ParadexVenue):
    """Shows positions only of markets in which this session has seen one come."""

    _before: frozenset[str] | None = None

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        positions = await super().fetch_positions()
        if self._before is None:
            self._before = frozenset(each.market_id for each in positions)
        return [each for each in positions if each.market_id not in self._before]
