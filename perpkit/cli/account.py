"""``perpkit account``: equity, margins, balances, positions and open orders."""

from __future__ import annotations

from dataclasses import dataclass

import typer

from perpkit.cli import render
from perpkit.cli.options import AsJson, CredentialsFile, Environment, RestUrl, Target, VenueName, WsUrl, environment_of
from perpkit.cli.running import run, together
from perpkit.cli.tables import Listing, show_table
from perpkit.core.models import AccountSummary, Balance, Order, Position
from perpkit.core.venue import Venue

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an account holds; None for what the venue's plugin does not serve."""

    summary: AccountSummary | None
    balances: list[Balance] | None
    positions: list[Position] | None
    orders: list[Order] | None


@app.command()
def account(
    venue: VenueName,
    *,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """Show an account's equity and margins, balances, positions and open orders. Reads only."""
    run(_account(Target(venue, environment, rest_url, ws_url, credentials_file), as_json=as_json))


async def _account(target: Target, *, as_json: bool) -> None:
    with render.progress(f"asking {target.venue} for the account"):
        async with target.open() as venue:
            held = await fetch_holdings(venue)
            where = environment_of(target, venue)
    if as_json:
        render.print_json(
            {
                "venue": target.venue,
                "environment": where,
                "account": held.summary,
                "balances": held.balances,
                "positions": held.positions and [{"side": each.side, **dict(each)} for each in held.positions],
                "open_orders": held.orders,
            }
        )
        return
    show(held, f"{target.venue} {where}")


async def fetch_holdings(venue: Venue) -> Holdings:
    """Ask for all of it at once, as far as the plugin serves it."""
    await venue.fetch_markets()

    async def asked(hook: str) -> object:
        return await getattr(venue, hook)() if venue.supports(hook) else None

    hooks = ("fetch_account", "fetch_balances", "fetch_positions", "fetch_open_orders")
    return Holdings(*await together(*(asked(hook) for hook in hooks)))


def show(held: Holdings, title: str) -> None:
    """Print what an account holds."""
    console = render.out()
    console.print(f"[bold]{title}[/bold]")
    tables = (
        None if held.summary is None else summary_table(held.summary),
        None if held.balances is None else balances_table(held.balances),
        None if held.positions is None else positions_table(held.positions),
        None if held.orders is None else orders_table(held.orders),
    )
    for table in tables:
        if table is not None:
            console.print()
            show_table(table, console)


def summary_table(summary: AccountSummary) -> Listing:
    """Return equity and margins."""
    asset = summary.asset
    made = Listing(
        f"account {summary.account_id or ''}".rstrip(),
        f">equity {asset}",
        ">free collateral",
        ">initial margin",
        ">maintenance margin",
        ">unrealized PnL",
    )
    made.row(
        render.money(summary.equity),
        render.money(summary.free_collateral),
        render.money(summary.initial_margin),
        render.money(summary.maintenance_margin),
        render.signed(render.money(summary.unrealized_pnl, signed=True), summary.unrealized_pnl),
    )
    return made


def balances_table(balances: list[Balance]) -> Listing:
    """Return a row for each asset."""
    made = Listing("balances", "asset", ">total", ">available")
    for balance in balances:
        made.row(balance.asset, render.money(balance.total), render.money(balance.available))
    return made


def positions_table(positions: list[Position]) -> Listing:
    """Return a row for each position, its size signed."""
    columns = (">size", ">entry", ">mark?", ">PnL", ">funding", ">liquidation?", ">leverage?", "margin?")
    made = Listing("positions", "market", *columns)
    for each in positions:
        made.row(
            each.market_id,
            render.signed(render.number(each.size, signed=True), each.size),
            each.entry_price,
            each.mark_price,
            render.signed(render.money(each.unrealized_pnl, signed=True), each.unrealized_pnl),
            render.signed(render.money(each.accrued_funding, signed=True), each.accrued_funding),
            each.liquidation_price,
            each.leverage and f"{render.number(each.leverage)}x",
            each.margin_mode,
        )
    return made


def orders_table(orders: list[Order]) -> Listing:
    """Return a row for each order."""
    columns = ("side", "type", ">size", ">filled", ">price", ">trigger?", "time in force?", "status", "client id?")
    made = Listing("open orders", "market", *columns)
    for each in orders:
        flags = [flag for flag, is_set in (("post-only", each.post_only), ("reduce-only", each.reduce_only)) if is_set]
        made.row(
            each.market_id,
            each.side,
            each.type,
            each.size,
            each.filled_size,
            each.price,
            each.trigger_price,
            " ".join([each.time_in_force, *flags]),
            each.status,
            each.client_order_id,
        )
    return made
