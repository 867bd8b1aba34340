"""
``perpkit demo``: starts a local Paradex, opens it by name, and goes the whole way from a key to a filled order and
back, in the open; then does the same on a local Extended and a local Lighter. Each act says what it expects; the first
that is disappointed ends the demo with exit code 1.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Annotated

import typer

from perpkit.cli import demo_acts, demo_extended, demo_lighter, render
from perpkit.cli.demo_stage import opened
from perpkit.cli.running import run
from perpkit.cli.story import Story
from perpkit.core.clock import SystemClock
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex.server import LocalParadex

app = typer.Typer()

DEPOSIT = Decimal(100_000)


@app.command()
def demo(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Don't pause to be read.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Keys, prices and liquidity follow from it.")] = 7,
) -> None:
    """
    Tell the whole story on a local Paradex: markets, funding, a live book, an order, its fill, funding, the way out.
    Then the same calls on a local Extended and a local Lighter.

    Needs no account and no network. Every signature, token and rule is checked by the local exchanges as the venues'
    contracts say. Exits with 1 when anything turns out other than it says.
    """
    run(_demo(seed, pause=0.0 if quick else 1.5))


async def _demo(seed: int, *, pause: float) -> None:
    wall = SystemClock()
    started = wall.monotonic()
    # The exchange runs in real time, and can be moved ahead of it: eight hours of funding take a moment.
    clock = SimClock.real_time()
    story = Story(render.out(), wall, pause)
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(
            LocalParadex(seed=seed, accounts=2, deposit=DEPOSIT, clock=clock, liquidity=True)
        )
        story.line(f"[bold]perpkit demo[/bold]  a local Paradex, seed {seed}: the venue's own wire, worthless money")
        story.line(f"REST {local.url}   WebSocket {local.ws_url}", style="dim")
        limits = RateLimiterRegistry(clock)
        ours, theirs = [
            await stack.enter_async_context(
                opened("paradex", local, limits, private_key=account.private_key, account=account.address)
            )
            for account in local.accounts
        ]
        stage = demo_acts.Stage(story, local, ours, local.accounts[0].address, theirs)
        for act in demo_acts.ACTS:
            await act(stage)
    await demo_extended.the_same_on_extended(story, seed)
    await demo_lighter.the_same_on_lighter(story, seed)
    took = wall.monotonic() - started
    story.line("")
    story.line(f"[bold green]All {story.kept} expectations held[/bold green], in {took:.0f} s.")
    story.line(
        "Next: `perpkit sim paradex` keeps such an exchange running for you; `perpkit check paradex` tests your key."
    )
