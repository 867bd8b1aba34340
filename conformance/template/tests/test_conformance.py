"""The conformance suite on this plugin, in a process of its own; the report card is left in ``card.json``."""

import json
import subprocess
import sys
from pathlib import Path

CARD = Path("card.json")


def test_it_stays_gold():
    """No rule fails, and every one up to gold is met; the two of platinum that need a testnet do not run here."""
    CARD.unlink(missing_ok=True)
    cards = ["--json", str(CARD), "--markdown", "card.md"]
    command = [sys.executable, "-m", "perpkit_conformance", "toy", *cards]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(CARD.read_text("utf-8"))["tier"] == "gold", run.stdout
