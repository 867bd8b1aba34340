"""The conformance suite on this plugin, in a process of its own; the report card is left in ``card.json``."""

import json
import subprocess
import sys
from pathlib import Path

CARD = Path("card.json")


def test_no_rule_fails():
    """Every rule that runs is met; what did not run is named on the card, and no tier stands on it."""
    CARD.unlink(missing_ok=True)
    cards = ["--json", str(CARD), "--markdown", "card.md"]
    command = [sys.executable, "-m", "perpkit_conformance", "toy", *cards]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert CARD.exists(), run.stdout + run.stderr
    failed = [rule["id"] for rule in json.loads(CARD.read_text("utf-8"))["rules"] if rule["outcome"] == "failed"]
    assert not failed, run.stdout
