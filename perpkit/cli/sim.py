"""``perpkit sim VENUE``: a local exchange in real time, with liquidity, until it is stopped."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from perpkit.cli import render
from perpkit.cli.local import LOCAL
from perpkit.cli.options import AsJson
from perpkit.cli.running import run
from perpkit.core.errors import ConfigError
from perpkit.sim.server import SimServer

app = typer.Typer()


@app.command()
def sim(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help=f"One of: {', '.join(LOCAL)}.")],
    *,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 lets the system choose.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Keys, prices and liquidity follow from it.")] = 7,
    accounts: Annotated[int, typer.Option("--accounts", "-a", min=1, max=100, help="Funded accounts to open.")] = 2,
    lenient: Annotated[
        bool,
        typer.Option("--lenient", help="Let pass what the venue's own SDK and ccxt send beside the contract."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Run a local exchange on 127.0.0.1 that speaks a venue's own REST and WebSocket and checks every signature.

    It prints its addresses and its accounts' keys. They open nothing anywhere else. ctrl-C stops it.
    """
    run(_serve(venue, port=port, seed=seed, accounts=accounts, lenient=lenient, as_json=as_json))


async def _serve(venue: str, *, port: int, seed: int, accounts: int, lenient: bool, as_json: bool) -> int:
    if venue not in LOCAL:
        raise ConfigError(f"there is no local {venue!r}; there are {', '.join(LOCAL)}")
    stopped = asyncio.Event()
    # Windows has no signal handlers on its event loop: there ctrl-C interrupts.
    with suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            # Being stopped is how this command ends well, so it is no interruption and the exit code is 0.
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        async with LOCAL[venue].make(port=port, seed=seed, accounts=accounts, strict=not lenient) as local:
            _announce(venue, local, seed, as_json=as_json)
            await stopped.wait()
    except OSError as error:
        raise ConfigError(f"can't listen on 127.0.0.1:{port}: {error.strerror or error}; try another --port") from error
    if not as_json:
        render.note("stopped")
    return 0


def _announce(venue: str, local: SimServer, seed: int, *, as_json: bool) -> None:
    """
    Say where it is and how to use it.

    Written past the filter for secrets: these keys are worthless anywhere else, and here to be copied.
    """
    if as_json:
        sys.stdout.write(render.json_text(_as_dict(venue, local, seed)) + "\n")
    else:
        sys.stdout.write(_instructions(venue, local, seed))
    sys.stdout.flush()


def _instructions(venue: str, local: SimServer, seed: int) -> str:
    known = LOCAL[venue]
    urls = known.urls(local)
    width = max(map(len, urls))
    lines = [
        f"Local {venue.capitalize()}, seed {seed}, in real time.",
        *(f"  {name.ljust(width)}  {url}" for name, url in urls.items()),
        "",
        "To use it, paste this into another terminal (the keys are worthless anywhere else):",
        "",
        "  export PERPKIT_ENVIRONMENT=local",
        *(f"  export {name}={value}" for name, value in known.variables(local).items()),
    ]
    for number, variables in enumerate(known.credentials(local), 1):
        # One account is ready to paste as it stands; the others wait behind a comment sign.
        sign = "" if number == 1 else f"# account {number}: "
        lines += [f"  {sign}export {name}={value}" for name, value in variables.items()]
    trying = f"then try:  perpkit check {venue}    perpkit book {venue} {known.example}"
    lines += ["", trying, "", "ctrl-C stops it."]
    return "\n".join(lines) + "\n"


def _as_dict(venue: str, local: SimServer, seed: int) -> dict[str, Any]:
    known = LOCAL[venue]
    rest, ws, *further = known.urls(local).values()
    return {
        "venue": venue,
        "seed": seed,
        "rest_url": rest,
        "ws_url": ws,
        **({"rpc_url": further[0]} if further else {}),
        "accounts": known.accounts(local),
    }
