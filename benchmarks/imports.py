"""What an import costs: time of the statement and memory of the process after it, each in a fresh interpreter."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.harness import Ratio, Result, Row

SUBJECTS = {
    "nothing": "pass",
    "perpkit": "import perpkit",
    "perpkit, every public name": "import perpkit; [getattr(perpkit, name) for name in perpkit.__all__]",
    "perpkit, Paradex plugin": "import perpkit, perpkit.adapters.paradex.venue",
    "perpkit, Extended plugin": "import perpkit, perpkit.adapters.extended.venue",
    "paradex_py": "import paradex_py",
    "ccxt.pro": "import ccxt.pro",
}
ROUNDS = 7

PROBE = """
import json, time
began = time.perf_counter()
{statement}
took = time.perf_counter() - began
pages = int(open("/proc/self/statm").read().split()[1])
import resource
print(json.dumps([took, pages * resource.getpagesize() / 1e6]))
"""


def _probe(statement: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)], capture_output=True, text=True, check=True
    )
    took, megabytes = json.loads(done.stdout.splitlines()[-1])
    return took, megabytes


def run() -> Result:
    """Import each subject in turns, after once to warm the disk and the bytecode."""
    for statement in SUBJECTS.values():
        _probe(statement)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    for _ in range(ROUNDS):
        for name, statement in SUBJECTS.items():
            found[name].append(_probe(statement))
    rows = {
        name: {
            "median s": statistics.median(took for took, _ in samples),
            "resident MB": statistics.median(size for _, size in samples),
        }
        for name, samples in found.items()
    }
    ours = rows["perpkit"]
    return Result(
        name="imports",
        what="one import in a fresh interpreter",
        rows=[Row(name, figures) for name, figures in rows.items()],
        ratios=[
            Ratio("s: import perpkit", ours["median s"], 0.4, at_most=True),
            Ratio("MB: resident after import perpkit", ours["resident MB"], 60, at_most=True),
            Ratio("times faster to import than ccxt.pro", rows["ccxt.pro"]["median s"] / ours["median s"]),
            Ratio("times faster to import than paradex_py", rows["paradex_py"]["median s"] / ours["median s"]),
        ],
        notes=["Resident memory of the whole process, the interpreter's own included (see 'nothing')."],
    )
