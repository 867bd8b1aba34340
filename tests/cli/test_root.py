"""The root of the command line: listing, version, how errors end."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from perpkit.cli.app import COMMANDS
from tests.cli.conftest import Run


def perpkit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the real program."""
    return subprocess.run(
        [sys.executable, "-m", "perpkit", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command_and_imports_none_of_them(run: Run):
    """The listing is made from the table alone."""
    listed = run("--help").stdout
    for name in ("demo", "venues", "check", "markets", "funding", "book", "account", "sim"):
        assert f" {name} " in listed
    code = (
        "import sys\nfrom perpkit.cli import main\nsys.argv = ['perpkit', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(' '.join(name for name in sys.modules if name.startswith('perpkit.cli.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) <= {"perpkit.cli.app", "perpkit.cli.running"}


@pytest.mark.parametrize("name", ["demo", "venues", "check", "markets", "funding", "book", "account", "sim"])
def test_each_command_explains_itself(run: Run, name: str):
    """Each entry of the table leads to a command with help."""
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert "Usage: perpkit" in result.stdout


def test_version_is_that_of_the_package(run: Run):
    """What is printed is what is installed."""
    assert run("--version").stdout == f"perpkit {version('perpkit')}\n"


def test_an_unknown_command_is_a_usage_error_that_names_the_nearest(run: Run):
    """Exit code 2, and a hint."""
    result = run("market")
    assert result.exit_code == 2
    assert "markets" in result.output


def test_an_unknown_venue_ends_in_one_line_and_exit_code_2(run: Run):
    """The line says which plugins there are; there is no traceback."""
    result = run("markets", "nowhere")
    assert result.exit_code == 2
    assert result.stderr == "error: no venue plugin named 'nowhere' is installed (installed: toy, unlucky, wreck)\n"


def test_a_broken_plugin_ends_in_one_line_and_exit_code_2(run: Run):
    """Its import error is told, without a traceback."""
    result = run("markets", "wreck")
    assert result.exit_code == 2
    assert "no_such_module" in result.stderr
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1


def test_what_the_venue_says_ends_in_exit_code_1(run: Run):
    """A venue's no and a network's silence are failures, not misuse; the wait asked for is told."""
    result = run("markets", "toy", TOY_FAULTS="fetch_markets=rate")
    assert result.exit_code == 1
    assert result.stderr == "error: toy fetch_markets: too many requests (wait 7 s)\n"


def test_debug_shows_the_traceback_without_secrets(run: Run):
    """PERPKIT_DEBUG=1 shows where; a secret from the environment stays hidden there, too."""
    result = run("account", "toy", PERPKIT_DEBUG="1", TOY_KEY="leaky-secret-value")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert "leaky-secret-value" not in result.output
    assert "leaky-secret-value" not in run("account", "toy", TOY_KEY="leaky-secret-value").output


def test_a_defect_is_told_as_one(run: Run):
    """An untyped error says that it is a defect and how to see more."""
    result = run("markets", "toy", TOY_FAULTS="fetch_markets=bug")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: unexpected KeyError: 'surprise' (a defect; please report it; PERPKIT_DEBUG=1 shows where)\n"
    )


def test_no_command_takes_a_secret_as_an_argument(run: Run):
    """Every process of the machine can read another's arguments."""
    for command in (["markets"], ["account"], ["check"], ["book"], ["funding", "rates"], ["funding", "payments"]):
        options = run(*command, "--help", COLUMNS="300").stdout.lower()
        for word in ("--private-key", "--subkey", "--token", "--secret", "--key", "--password"):
            assert word not in options


def test_an_output_that_knows_ascii_only_still_gets_its_listing():
    """A character that can't be shown is replaced; the listing does not die of it."""
    done = perpkit("venues", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LANG="C", LC_ALL="C")
    assert done.returncode in {0, 1}, done.stderr
    assert "paradex" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_documentation_names_every_command_and_variable():
    """The page of the command line is complete."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`perpkit {command}" in page
    for variable in ("PERPKIT_ENVIRONMENT", "PERPKIT_REST_URL", "PERPKIT_WS_URL", "PERPKIT_DEBUG"):
        assert variable in page
