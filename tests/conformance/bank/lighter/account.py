"""Broken plugins: whose account is asked about, and the units of what it has."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.errors import AuthError, OrderRejectedError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance, Market, Position, TradingFees
from tests.conformance.bank.lighter.shapes import SpoiledPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request


@broken(
    rules="requests-follow-the-contract",
    knock_on="any-spelling-of-a-number bad-amounts-are-refused bad-credentials-are-named "
    "balance-stream-converges balances-are-the-ledger broken-snapshots-never-flatten "
    "bursts-stay-under-limits cancellation-is-safe clients-share-limits closed-positions-disappear "
    "collateral-counted-once empty-accounts-parse equity-is-exact every-position-is-returned "
    "flips-and-partial-closes frames-follow-the-contract funding-payment-identity ledger-identity "
    "leverage-is-the-accounts-own liquidations-are-labelled message-disorder-is-harmless "
    "multiplier-agrees-with-prices old-positions-are-adopted position-pnl-is-exact "
    "position-sign-and-size random-histories-agree ratios-are-fractions reads-do-not-fan-out "
    "reads-fail-typed ready-after-snapshot reconnect-loses-nothing retry-after-is-honoured "
    "safety-calls-are-honest schema-changes-survive settings-really-change sizes-are-base-units "
    "snapshot-semantics sub-keys-act-for-the-account subscriptions-yield timestamps-plausible "
    "tokens-refresh-early unknown-enum-values-survive venue-errors-are-mapped weights-are-the-venues",
    checks="OR1 AU6",
    mistakes="M4",
)
class AccountByAddress(WirePlugin):
    """Asks for the account ``by=address``, where the contract has ``index`` and ``l1_address``: 400 on every call."""

    paths = (endpoints.ACCOUNT,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "params": {**given["params"], "by": "address"}}


@broken(
    rules="balances-are-the-ledger position-sign-and-size",
    knock_on="balance-stream-converges closed-positions-disappear collateral-counted-once empty-accounts-parse "
    "equity-is-exact every-position-is-returned flips-and-partial-closes funding-payment-identity "
    "ledger-identity leverage-is-the-accounts-own old-positions-are-adopted position-pnl-is-exact "
    "random-histories-agree ratios-are-fractions settings-really-change sizes-are-base-units "
    "sub-keys-act-for-the-account subscriptions-yield timestamps-plausible",
    checks="AU6 AU7",
)
class AccountOfAnotherIndex(SpoiledPlugin):
    """Asks for the sub-account beside its own, which anybody may read here."""

    passes = frozenset({endpoints.ACCOUNT})

    def spoil(self, session: Any) -> None:
        """See the class."""

        async def account() -> schema.Account:
            rows: list[schema.Account] = await session.rest.get_account("index", str(await session.account_index() + 1))
            if not rows:
                raise AuthError("there is no such account")
            return rows[0]

        session.account = account


@broken(
    rules="position-sign-and-size",
    knock_on="closed-positions-disappear funding-payment-identity ledger-identity old-positions-are-adopted "
    "random-histories-agree sizes-are-base-units",
    checks="MK1 PS1",
)
class MarketZeroIsNone(LighterVenue):
    """Takes the market of number 0 for none, and leaves its position out."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        positions = await super().fetch_positions()
        listed = self._context.markets.all
        return [each for each in positions if self._listings.of(listed[each.market_id]).index]


@broken(
    rules="collateral-counted-once",
    knock_on="balances-are-the-ledger random-histories-agree sub-keys-act-for-the-account",
    checks="BL2",
)
class WalletBesideTheCollateral(LighterVenue):
    """Shows the spot wallet's USDC as a second balance, though it is the collateral again."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
        balances = await super().fetch_balances()
        return [*balances, *(each.replace(asset="USDC-SPOT", available=None) for each in balances if each.total)]


@broken(rules="ratios-are-fractions", knock_on="market-rules-are-exact", checks="TU4 FL3")
class FeeTicksAsBasisPoints(LighterVenue):
    """Reads the account's fees, which are millionths, as ten-thousandths."""

    @hookimpl
    async def fetch_fees(self, markets: Sequence[Market] | None) -> list[TradingFees]:
        """See the class."""
        fees = await super().fetch_fees(markets)
        return [each.replace(maker=each.maker * 100, taker=each.taker * 100) for each in fees]


@broken(
    rules="ratios-are-fractions",
    knock_on="bad-rows-are-skipped listings-refresh market-rules-are-exact",
    checks="TU4 MK4",
)
class MarginTicksAsFractions(LighterVenue):
    """Hands the market's margins on as they are listed, in ten-thousandths."""

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        """See the class."""
        return [
            each.replace(
                initial_margin_fraction=None
                if each.initial_margin_fraction is None
                else each.initial_margin_fraction * 10_000
            )
            for each in await super().fetch_markets()
        ]


@broken(rules="settings-really-change", checks="PS6")
class MarginTheOtherWay(LighterVenue):
    """Takes away what is to be put behind a position, and puts what is to be taken away."""

    @hookimpl
    async def adjust_margin(self, market: Market, amount: Decimal) -> None:
        """See the class."""
        await super().adjust_margin(market, -amount)


@broken(rules="settings-really-change", checks="PS6", mistakes="M3")
class RefusedMarginLooksMoved(LighterVenue):
    """Takes HTTP 200 for the move of margin that the sequencer then refused."""

    @hookimpl
    async def adjust_margin(self, market: Market, amount: Decimal) -> None:
        """See the class."""
        with suppress(OrderRejectedError):
            await super().adjust_margin(market, amount)
