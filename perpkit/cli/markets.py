"""``perpkit markets``: a venue's perpetuals with their rules."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from perpkit.cli import render
from perpkit.cli.options import AsJson, CredentialsFile, Environment, RestUrl, Target, VenueName, WsUrl, environment_of
from perpkit.cli.running import run
from perpkit.cli.tables import Listing, show_table
from perpkit.core.models import Market, MarketStatus

app = typer.Typer()


@app.command()
def markets(
    venue: VenueName,
    *,
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Only markets whose name holds this, in any case.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show those that are settled or not yet open, too.")] = False,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """List a venue's perpetuals with their tick, step, smallest order, fees and funding period."""
    target = Target(venue, environment, rest_url, ws_url, credentials_file)
    run(_markets(target, search=search, every=every, as_json=as_json))


async def _markets(target: Target, *, search: str | None, every: bool, as_json: bool) -> None:
    with render.progress(f"asking {target.venue} for its markets"):
        async with target.open() as venue:
            listed = await venue.fetch_markets()
            where = environment_of(target, venue)
    found = [each for each in listed if _matches(each, search) and (every or each.status is not MarketStatus.SETTLED)]
    if as_json:
        render.print_json({"venue": target.venue, "environment": where, "markets": [_as_dict(each) for each in found]})
        return
    made = Listing(
        f"{target.venue} {where}: {len(found)} of {len(listed)} perpetuals",
        "market",
        "status?",
        ">tick",
        ">step",
        ">min size?",
        ">min value?",
        ">max size?",
        ">maker",
        ">taker",
        "funding",
        ">leverage?",
    )
    for each in found:
        smallest = render.NOTHING if each.min_notional is None else f"{each.min_notional} {each.instrument.quote}"
        made.row(
            each.instrument.symbol,
            each.status,
            each.tick_size,
            each.step_size,
            each.min_size,
            smallest,
            each.max_size,
            render.percent(each.maker_fee),
            render.percent(each.taker_fee),
            _funding(each),
            each.max_leverage and f"{render.number(each.max_leverage)}x",
            style=None if each.status is MarketStatus.OPEN else "dim",
        )
    show_table(made)
    if not found and listed:
        render.note(f"none of {len(listed)} markets matches" + ("" if every else "; --all looks at settled ones, too"))


def _matches(market: Market, search: str | None) -> bool:
    text = (search or "").lower()
    return text in market.id.lower() or text in market.symbol.lower()


def _funding(market: Market) -> str:
    if market.funding_interval is None:
        return render.NOTHING
    accrual = f" {market.funding_accrual}" if market.funding_accrual else ""
    return f"{render.duration(market.funding_interval)}{accrual}"


def _as_dict(market: Market) -> dict[str, Any]:
    names = {"ccxt_symbol": market.ccxt_symbol, "hummingbot_pair": market.hummingbot_pair}
    return {"id": market.id, **{name: getattr(market, name) for name in type(market).model_fields}, **names}
