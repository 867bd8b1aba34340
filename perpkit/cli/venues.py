"""``perpkit venues``: the plugins that are installed, where each comes from, what it can do, and which are broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from perpkit.cli import render
from perpkit.cli.options import AsJson
from perpkit.cli.running import errors_in_one_line, warnings_in_one_line
from perpkit.cli.tables import Listing, show_table
from perpkit.core import hookspecs, plugins
from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import PerpkitError
from perpkit.core.opening import open_venue
from perpkit.core.plugins import PluginReport

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin, and either what it says of itself or why it can't be used."""

    report: PluginReport
    description: VenueDescription | None
    error: str | None


@app.command()
def venues(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what each venue can do, and its limits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the venue plugins that are installed. A broken one is reported with the reason and harms no other."""
    with errors_in_one_line(), warnings_in_one_line():
        with render.progress("importing plugins"):
            found = [_look_at(report) for report in plugins.installed(load=True)]
        if as_json:
            render.print_json({"venues": [_as_dict(each) for each in found]})
        else:
            _show(found, verbose=verbose)
        raise typer.Exit(1 if any(each.error for each in found) else 0)


def _look_at(report: PluginReport) -> Installed:
    if report.error is not None:
        return Installed(report, None, report.error)
    try:
        # No credentials are looked for: what a plugin says of itself depends on none.
        return Installed(report, open_venue(report.name, environ={}).description, None)
    except PerpkitError as error:
        return Installed(report, None, error.message)
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything; it is reported and harms no other
        return Installed(report, None, f"{type(error).__name__}: {error}")


def _show(found: list[Installed], *, verbose: bool) -> None:
    console = render.out()
    if not found:
        console.print("No venue plugin is installed.")
        return
    listing = Listing(None, "venue", "name", "environments", "from", "~state")
    for each in found:
        described = each.description
        listing.row(
            each.report.name,
            described and described.title,
            described and ", ".join(described.environments),
            each.report.distribution or each.report.target,
            f"broken: {each.error}" if each.error else "ok",
            style="red" if each.error else None,
        )
    show_table(listing, console)
    if verbose:
        for each in found:
            if each.description is not None:
                _show_abilities(each.description)
    elif any(each.description for each in found):
        console.print("-v shows what each can do; `perpkit check VENUE` tries it.", style="dim")


def _show_abilities(described: VenueDescription) -> None:
    able = described.capabilities
    abilities = Listing(described.name, "can", "~what")
    for spec in hookspecs.SPECS:
        names = [name for name in vars(spec) if not name.startswith("_")]
        has = [name for name in names if name in able.hooks]
        lacks = [name for name in names if name not in able.hooks]
        group = spec.__name__.removesuffix("Spec").lower()
        abilities.row(group, ", ".join(has))
        if lacks:
            abilities.row(f"{group}: no", ", ".join(lacks), style="dim")
    for title, values in (
        ("stream channels", able.channels),
        ("order types", able.order_types),
        ("times in force", able.times_in_force),
        ("self-trade prevention", able.self_trade_prevention),
        ("triggers on", able.trigger_kinds),
        ("margin modes", able.margin_modes),
        ("order options", able.order_options),
    ):
        abilities.row(title, ", ".join(sorted(str(value) for value in values)))
    abilities.row("post-only, reduce-only", f"{_yes(able.post_only)}, {_yes(able.reduce_only)}")
    abilities.row("orders in a batch", able.max_batch_size)
    abilities.row("funding accrues", able.funding_accrual)
    abilities.row("accepts, then checks", _yes(able.async_acceptance))
    abilities.row("never accepted after", able.never_accepted_after)
    for limit in described.rate_limits:
        text = f"{limit.requests} in {render.duration(limit.per)} for each {limit.scope} ({limit.source})"
        abilities.row(f"limit {limit.name}", text)
    show_table(abilities)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _as_dict(each: Installed) -> dict[str, Any]:
    described = each.description
    return {
        "name": each.report.name,
        "distribution": each.report.distribution,
        "target": each.report.target,
        "error": each.error,
        "title": described and described.title,
        "environments": list(described.environments) if described else None,
        "capabilities": described and described.capabilities,
        "rate_limits": list(described.rate_limits) if described else None,
        "docs": described and described.docs,
    }
