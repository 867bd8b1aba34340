"""``python -m perpkit_conformance VENUE`` runs the suite, from any directory; ``perpkit conformance`` calls it."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def arguments(given: Sequence[str]) -> list[str]:
    """Return the arguments for pytest."""
    parser = argparse.ArgumentParser(prog="perpkit conformance", description=__doc__, allow_abbrev=False)
    parser.add_argument("venue", metavar="VENUE", help="a venue with a profile, or module:object of one")
    parser.add_argument("--tier", choices=("bronze", "silver", "gold", "platinum"), help="this tier and those beneath")
    parser.add_argument("--rule", action="append", default=[], metavar="ID", help="this rule only; may be repeated")
    parser.add_argument("--plugin", metavar="MODULE:CLASS", help="test this class, not the installed plugin")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of exchange, faults and histories")
    parser.add_argument("--live", metavar="ENVIRONMENT", help="the live rules as well, read-only, on that environment")
    parser.add_argument("--live-trade", action="store_true", help="one small order there and back, too")
    parser.add_argument("--real-money", action="store_true", help="the first of two opt-ins for a mainnet")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report card as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the report card as Markdown")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; by default one for each core")
    options, rest = parser.parse_known_args(given)
    command = ["-c", str(HERE / "suite.ini"), "--rootdir", str(HERE), str(HERE / "suite"), "--venue", options.venue]
    for name, value in (
        ("--tier", options.tier),
        ("--venue-plugin", options.plugin),
        ("--venue-seed", options.seed),
        ("--live", options.live),
        ("--card-json", options.json and options.json.absolute()),
        ("--card-markdown", options.markdown and options.markdown.absolute()),
    ):
        command += [name, str(value)] if value is not None else []
    command += ["--live-trade"] if options.live_trade else []
    command += ["--real-money"] if options.real_money else []
    for each in options.rule:
        command += ["--rule", each]
    # One rule is over before the workers have started.
    workers = options.workers if options.workers is not None else 0 if options.rule else None
    if workers != 0 and find_spec("xdist") is not None:
        command += ["-n", "auto" if workers is None else str(workers)]
    return [*command, "--quiet", "--no-header", "--tb=short", *rest]


FAILED, MISUSED, INTERRUPTED = 1, 2, 130

_CODES = {
    pytest.ExitCode.OK: 0,
    pytest.ExitCode.USAGE_ERROR: MISUSED,
    pytest.ExitCode.NO_TESTS_COLLECTED: MISUSED,
}
"""pytest's codes as those of every command of perpkit; whatever else it says, the run is no good."""


class _Stopped:
    """Notes that somebody stopped the run: pytest has the same code for a run that it broke off itself."""

    by_somebody = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note it; pytest's own reasons are subclasses."""
        self.by_somebody = excinfo.type is KeyboardInterrupt


def main() -> int:
    """Run the suite; 0 nothing failed, 1 a rule failed or the run broke off, 2 asked for wrongly, 130 stopped."""
    # Whoever ends the run gets its card, as after ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped = _Stopped()
    code = pytest.main(arguments(sys.argv[1:]), plugins=[stopped])
    return INTERRUPTED if stopped.by_somebody else _CODES.get(pytest.ExitCode(code), FAILED)


if __name__ == "__main__":
    sys.exit(main())
