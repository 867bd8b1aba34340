"""``python -m benchmarks [name ...]``: run them, print a table, write ``.bench/<time>.json``."""

from __future__ import annotations

import importlib
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Result

ROOT = Path(__file__).parent.parent
OUT = ROOT / ".bench"

CASES = (
    "signing",
    "signing_extended",
    "imports",
    "frames",
    "frames_extended",
    "frames_lighter",
    "place_order",
    "memory",
)
ELSEWHERE = ("signing_lighter",)
"""Those that need an environment of their own, and are run when they are named."""

PACKAGES = ("perpkit", "paradex-py", "lighter-sdk", "ccxt", "aiohttp", "msgspec", "pydantic", "fast-stark-crypto")


def machine() -> dict[str, str]:
    """Return what the figures depend on."""
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "perpkit") else ""),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def figure(value: float) -> str:
    """Return a figure with three digits that count, never in powers of ten."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3g}"


def show(console: Console, result: Result) -> None:
    """Print one result as a table, with its ratios beneath."""
    columns = list(dict.fromkeys(name for row in result.rows for name in row.figures))
    console.print(f"[bold]{result.name}[/]: {result.what}", highlight=False)
    table = Table()
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    for row in result.rows:
        cells = (figure(row.figures[c]) if c in row.figures else "" for c in columns)
        table.add_row(row.subject, *cells)
    console.print(table)
    for ratio in result.ratios:
        goal = "" if ratio.goal is None else f"  (goal: at {'most' if ratio.at_most else 'least'} {ratio.goal:g})"
        colour = {True: "green", False: "red", None: "default"}[ratio.met]
        console.print(f"  [{colour}]{ratio.value:8.2f}[/] {ratio.what}{goal}", highlight=False)
    for note in result.notes:
        console.print(f"  {note}", style="dim", highlight=False)
    console.print()


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, or all."""
    known = (*CASES, *ELSEWHERE)
    unknown = sorted(set(names) - set(known))
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}\n")
        return 2
    console = Console()
    facts = machine()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), style="dim", highlight=False)
    results = []
    for name in names or CASES:
        with console.status(f"measuring {name}"):
            result: Result = importlib.import_module(f"benchmarks.{name}").run()
        show(console, result)
        results.append(result)
    OUT.mkdir(exist_ok=True)
    out = OUT / f"{facts['at'].replace(':', '')}.json"
    shown = [
        {**asdict(result), "ratios": [{**asdict(ratio), "met": ratio.met} for ratio in result.ratios]}
        for result in results
    ]
    out.write_text(json.dumps({"machine": facts, "results": shown}, indent=1), encoding="utf-8")
    console.print(f"written to {out.relative_to(ROOT)}", style="dim", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
