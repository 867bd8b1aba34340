"""``perpkit check VENUE``: shows what the examination in ``checkup.py`` finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from perpkit.cli import render
from perpkit.cli.checkup import Checkup, Part, Private
from perpkit.cli.findings import Finding, Verdict
from perpkit.cli.options import AsJson, CredentialsFile, Environment, RestUrl, Target, VenueName, WsUrl
from perpkit.cli.running import FAILED, run
from perpkit.core.clock import SystemClock

app = typer.Typer()

_MARKS = {
    Verdict.OK: ("ok", "green"),
    Verdict.WARNING: ("warn", "yellow"),
    Verdict.FAILED: ("FAIL", "bold red"),
    Verdict.SKIPPED: ("skip", "dim"),
    Verdict.NOT_TRIED: ("--", "dim"),
}


@app.command()
def check(
    venue: VenueName,
    *,
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Missing credentials are a failure, or nothing private is tried. Else: tried where given.",
        ),
    ] = None,
    market: Annotated[
        str | None, typer.Option("--market", "-m", help="The market to look at; an open one when left out.")
    ] = None,
    only: Annotated[
        list[Part] | None, typer.Option("--only", help="Only this part; may be given several times. Default: all.")
    ] = None,
    wait: Annotated[
        int, typer.Option("--wait", min=1, max=300, help="Seconds that a stream channel may take to become live.")
    ] = 10,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """
    Test a venue from here: credentials, clock, every endpoint that the plugin reads, every stream channel.

    For each failure it says what to do. It never prints a secret, and places, changes and cancels no order.
    Exits with 0 when nothing failed and 1 otherwise.
    """
    checkup = Checkup(
        Target(venue, environment, rest_url, ws_url, credentials_file),
        SystemClock(),
        private={None: Private.AUTO, True: Private.REQUIRED, False: Private.NEVER}[private],
        market=market,
        parts=frozenset(only or Part),
        stream_wait=timedelta(seconds=wait),
    )
    run(_check(checkup, as_json=as_json))


async def _check(checkup: Checkup, *, as_json: bool) -> int:
    found: list[Finding] = []
    examination = checkup.run()
    while True:
        with render.progress(f"checking {checkup.target.venue}"):
            finding = await anext(examination, None)
        if finding is None:
            break
        found.append(finding)
        if not as_json:
            _show(finding)
    failed = [each for each in found if each.verdict is Verdict.FAILED]
    if as_json:
        render.print_json(_as_dict(checkup, found))
    else:
        _sum_up(found)
    return FAILED if failed else 0


def _show(finding: Finding) -> None:
    mark, style = _MARKS[finding.verdict]
    console = render.out()
    hiding = render.redactor()
    took = f" ({render.duration(finding.took)})" if finding.took is not None else ""
    line = Text.assemble((f"{mark:<5}", style), f"{finding.check:<32}", hiding.text(finding.detail), (took, "dim"))
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(Text(f"{'':5}{'':32}-> {hiding.text(finding.remedy)}", style="bold"), soft_wrap=True)


def _sum_up(found: list[Finding]) -> None:
    console = render.out()
    counts = {verdict: sum(each.verdict is verdict for each in found) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items() if count)
    failed = [each.check for each in found if each.verdict is Verdict.FAILED]
    style = "bold red" if failed else "bold green"
    console.print(Text(f"\n{told}", style=style))
    if failed:
        console.print(Text(f"failed: {', '.join(failed)}", style="red"), soft_wrap=True)


def _as_dict(checkup: Checkup, found: list[Finding]) -> dict[str, Any]:
    return {
        "venue": checkup.target.venue,
        "environment": checkup.environment,
        "ok": not any(each.verdict is Verdict.FAILED for each in found),
        "findings": [
            {
                "check": each.check,
                "verdict": each.verdict,
                "detail": each.detail,
                "remedy": each.remedy,
                "error": each.error,
                "took": each.took or timedelta(0),
            }
            for each in found
        ],
    }
