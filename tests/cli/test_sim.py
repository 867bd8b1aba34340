"""``perpkit sim``: it says where it is and with which keys, serves, and stops when told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from perpkit.cli import local
from perpkit.cli.app import app
from perpkit.sim.server import SimServer

SECONDS = 30


@contextmanager
def running(*arguments: str, venue: str = "paradex", **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run the real program until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "perpkit", "sim", venue, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize(
    ("venue", "path", "number"),
    [
        ("paradex", "/system/time", signal.SIGINT),
        ("paradex", "/system/time", signal.SIGTERM),
        ("extended", "/info/starknet", signal.SIGTERM),
        ("lighter", "/api/v1/orderBooks", signal.SIGTERM),
    ],
)
def test_it_serves_and_stops_cleanly(venue: str, path: str, number: signal.Signals):
    """The addresses answer; ctrl-C and a supervisor's stop end it with exit code 0 and without a traceback."""
    with running("--json", "--accounts", "3", venue=venue) as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        assert len(announced["accounts"]) == 3
        with urllib.request.urlopen(announced["rest_url"] + path, timeout=SECONDS) as reply:  # noqa: S310
            assert json.load(reply)
        process.send_signal(number)
        _, complaints = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, complaints
        assert "Traceback" not in complaints


@pytest.mark.parametrize("venue", ["paradex", "extended", "lighter"])
def test_what_it_prints_can_be_pasted(venue: str):
    """A shell that runs the printed lines has all that `perpkit account VENUE` needs."""
    with running(venue=venue) as process:
        assert process.stdout is not None
        lines = []
        while "ctrl-C" not in (line := process.stdout.readline()):
            assert line, "it ended early"
            lines.append(line.strip())
        exports = [line for line in lines if line.startswith("export ")]
        script = "\n".join([*exports, f"{sys.executable} -m perpkit account {venue} --json"])
        ours = (f"{venue.upper()}_", "PERPKIT_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, check=False, timeout=SECONDS, env=clean
        )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["environment"] == "local"
    assert answer["balances"][0]["total"].startswith("100000")


def test_the_same_seed_gives_the_same_keys():
    """So that a script can be run again."""
    keys = []
    for seed in ("11", "11", "12"):
        with running("--json", "--seed", seed) as process:
            assert process.stdout is not None
            keys.append(json.loads(process.stdout.readline())["accounts"][0]["private_key"])
    assert keys[0] == keys[1] != keys[2]


def test_a_port_that_is_taken_is_told_in_one_line():
    """With the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["sim", "paradex", "--port", str(port)])
    assert result.exit_code == 2
    assert f"can't listen on 127.0.0.1:{port}" in result.stderr
    assert "another --port" in result.stderr


def test_an_unknown_local_venue_is_misuse():
    """The line names those that there are."""
    result = CliRunner().invoke(app, ["sim", "nowhere"])
    assert result.exit_code == 2
    assert "there are paradex, extended, lighter" in result.stderr


@pytest.mark.parametrize(("arguments", "strict"), [([], True), (["--lenient"], False)])
def test_lenient_is_asked_for(monkeypatch: pytest.MonkeyPatch, arguments: list[str], strict: bool):
    """By default the contract is taken at its word."""
    made: list[object] = []

    def make(**fields: object) -> SimServer:
        made.append(fields["strict"])
        raise OSError("enough")

    monkeypatch.setitem(local.LOCAL, "paradex", replace(local.LOCAL["paradex"], make=make))
    assert CliRunner().invoke(app, ["sim", "paradex", *arguments]).exit_code == 2
    assert made == [strict]
