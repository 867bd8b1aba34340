"""``perpkit funding``: live rates across venues, one market's history, and what the account was paid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

import typer

from perpkit.cli import render
from perpkit.cli.options import AsJson, CredentialsFile, Environment, RestUrl, Target, VenueName, WsUrl, environment_of
from perpkit.cli.running import FAILED, run
from perpkit.cli.tables import Listing, show_table
from perpkit.core import plugins
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import ConfigError, PerpkitError
from perpkit.core.models import FundingRate

app = typer.Typer(no_args_is_help=True)


@app.callback()
def funding() -> None:
    """Funding: a positive rate means that longs pay shorts."""


class Sort(StrEnum):
    """What the rates are ordered by."""

    ABSOLUTE = "absolute"
    HIGHEST = "highest"
    LOWEST = "lowest"
    MARKET = "market"


_ORDERS: dict[Sort, Callable[[FundingRate], Any]] = {
    Sort.ABSOLUTE: lambda rate: (-abs(rate.hourly), rate.market_id),
    Sort.HIGHEST: lambda rate: (-rate.hourly, rate.market_id),
    Sort.LOWEST: lambda rate: (rate.hourly, rate.market_id),
    Sort.MARKET: lambda rate: rate.market_id,
}


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number") from None


Days = Annotated[
    Decimal, typer.Option("--days", "-d", parser=_decimal, metavar="DAYS", help="How far back; a fraction will do.")
]


@app.command()
def rates(
    venues: Annotated[
        list[str] | None, typer.Argument(metavar="[VENUE]...", help="All that are installed when left out.")
    ] = None,
    *,
    sort: Annotated[
        Sort, typer.Option("--sort", help="By size whatever the sign, by value, or by name.")
    ] = Sort.ABSOLUTE,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Only markets whose name holds this.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only so many rows.")] = None,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """
    Show live funding rates, with the raw figure and its period beside the rate per hour and per year.

    The yearly rate is simple: the hourly one times 8,760. Rates of different kinds (predicted, current, settled) are
    marked as such; compare like with like.
    """
    names = list(dict.fromkeys(venues or [report.name for report in plugins.installed()]))
    targets = [Target(name, environment, rest_url, ws_url, credentials_file) for name in names]
    run(_rates(targets, sort=sort, search=search, limit=limit, as_json=as_json, clock=SystemClock()))


async def _rates(
    targets: list[Target], *, sort: Sort, search: str | None, limit: int | None, as_json: bool, clock: Clock
) -> int:
    if len(targets) > 1 and any(each.rest_url or each.ws_url or each.credentials_file for each in targets):
        msg = "--rest-url, --ws-url and --credentials-file are one venue's; name that venue alone"
        raise ConfigError(msg)
    if not targets:
        raise ConfigError("no venue plugin is installed")
    with render.progress(f"asking {', '.join(each.venue for each in targets)} for funding rates"):
        answers = await asyncio.gather(*(_rates_of(each) for each in targets), return_exceptions=True)
    found: list[FundingRate] = []
    failures: list[tuple[str, PerpkitError]] = []
    for target, answer in zip(targets, answers, strict=True):
        if isinstance(answer, PerpkitError):
            failures.append((target.venue, answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    if len(targets) == 1 and failures:
        raise failures[0][1]
    wanted = [rate for rate in found if (search or "").lower() in rate.market_id.lower()]
    shown = sorted(wanted, key=_ORDERS[sort])[:limit]
    if as_json:
        errors = [{"venue": venue, "error": type(error).__name__, "message": str(error)} for venue, error in failures]
        render.print_json({"rates": [_as_dict(rate) for rate in shown], "errors": errors})
    else:
        show_table(rates_table(shown, clock.now()))
    for _, failure in failures:
        render.error(str(failure))
    return FAILED if failures else 0


async def _rates_of(target: Target) -> list[FundingRate]:
    async with target.open() as venue:
        return await venue.fetch_funding_rates()


def rates_table(found: list[FundingRate], now: datetime) -> Listing:
    """Return a row for each rate, raw figure first."""
    made = Listing(
        "funding (positive: longs pay shorts)",
        "market",
        ">rate",
        "for",
        "kind",
        ">per hour",
        ">per year",
        ">mark?",
        "next?",
        ">age",
    )
    for rate in found:
        made.row(
            rate.market_id,
            render.signed(render.number(rate.value, signed=True), rate.value),
            render.duration(rate.period),
            rate.kind,
            render.signed(render.percent(rate.hourly, 6), rate.value),
            render.signed(render.percent(rate.annualized, 2), rate.value),
            rate.mark_price,
            rate.accrual if rate.next_at is None else rate.next_at,
            render.age(rate.effective_at, now),
        )
    return made


def _as_dict(rate: FundingRate) -> dict[str, Any]:
    return {**dict(rate), "hourly": rate.hourly, "annualized": rate.annualized}


@app.command()
def history(
    venue: VenueName,
    market: Annotated[str, typer.Argument(metavar="MARKET", help="For example BTC-USD-PERP.")],
    *,
    days: Days = Decimal(1),
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only the newest so many.")] = 50,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """
    Show a market's past funding rates, oldest first.

    Rows of kind `sample` are observations and must not be added up; rows of kind `settled` may.
    """
    target = Target(venue, environment, rest_url, ws_url, credentials_file)
    run(_history(target, market, days=days, limit=limit, as_json=as_json, clock=SystemClock()))


async def _history(
    target: Target, market: str, *, days: Decimal, limit: int | None, as_json: bool, clock: Clock
) -> None:
    since = _since(days, clock)
    with render.progress(f"asking {target.venue} for the funding history of {market}"):
        async with target.open() as venue:
            found = await venue.fetch_funding_history(market, since=since, limit=limit)
            where = environment_of(target, venue)
    if as_json:
        render.print_json({"venue": target.venue, "environment": where, "rates": [_as_dict(rate) for rate in found]})
        return
    made = Listing(
        f"{target.venue} {where}: {len(found)} rates since {render.moment(since)}",
        "at",
        ">rate",
        "for",
        "kind",
        ">per hour",
        ">per year",
        ">mark?",
    )
    for rate in found:
        made.row(
            rate.effective_at,
            render.signed(render.number(rate.value, signed=True), rate.value),
            render.duration(rate.period),
            rate.kind,
            render.percent(rate.hourly, 6),
            render.percent(rate.annualized, 2),
            rate.mark_price,
        )
    show_table(made)


@app.command()
def payments(
    venue: VenueName,
    market: Annotated[str | None, typer.Argument(metavar="[MARKET]", help="All markets when left out.")] = None,
    *,
    days: Days = Decimal(7),
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Only the newest so many.")] = 50,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """Show the funding that the account received (positive) and paid (negative), oldest first, and the sum."""
    target = Target(venue, environment, rest_url, ws_url, credentials_file)
    run(_payments(target, market, days=days, limit=limit, as_json=as_json, clock=SystemClock()))


async def _payments(
    target: Target, market: str | None, *, days: Decimal, limit: int | None, as_json: bool, clock: Clock
) -> None:
    since = _since(days, clock)
    with render.progress(f"asking {target.venue} for funding payments"):
        async with target.open() as venue:
            found = await venue.fetch_funding_payments(market, since=since, limit=limit)
            where = environment_of(target, venue)
    sums = {
        asset: sum((each.amount for each in found if each.asset == asset), Decimal(0))
        for asset in sorted({each.asset for each in found})
    }
    if as_json:
        render.print_json({"venue": target.venue, "environment": where, "payments": found, "sums": sums})
        return
    made = Listing(
        f"{target.venue} {where}: {len(found)} payments since {render.moment(since)} (positive: received)",
        "at",
        "market",
        ">amount",
        "asset",
        ">on size",
        ">rate",
    )
    for each in found:
        made.row(
            each.ts_venue,
            each.market_id,
            render.signed(render.number(each.amount, signed=True), each.amount),
            each.asset,
            each.size,
            each.rate,
        )
    console = render.out()
    show_table(made, console)
    for asset, total in sums.items():
        console.print(f"sum: {render.number(total, signed=True)} {asset}")


def _since(days: Decimal, clock: Clock) -> datetime:
    if not days.is_finite() or not 0 < days <= 3650:
        raise ConfigError(f"--days {days}: more than 0, and at most 3650")
    return clock.now().astimezone(UTC) - timedelta(milliseconds=int(days * 86_400_000))
