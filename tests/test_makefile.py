"""The two commands of the README on machines that lack something: one clear sentence, not a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FAKE = """#!/bin/sh
case "$2" in
  *"import sys; print"*) echo {version} ;;
  *"sys.exit(sys.version_info"*) exit {too_old} ;;
  *ensurepip*) exit {no_venv} ;;
  *) echo "asked for something else: $*" >&2; exit 9 ;;
esac
"""


def make_test(tmp_path: Path, **fakes: str) -> subprocess.CompletedProcess[str]:
    """Run ``make test`` with these interpreters on the path and no others."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "make", "echo", "env"):
        (tools / name).symlink_to(shutil.which(name))
    for name, text in fakes.items():
        fake = tools / name.replace("_", ".")
        fake.write_text(text, encoding="utf-8")
        fake.chmod(0o755)
    return subprocess.run(
        ["make", "test", f"VENV={tmp_path}/venv", "PYTHON=", f"SHELL={tools}/sh"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/")},
    )


pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed here")


def test_a_python_that_is_too_old_is_named_with_what_to_do(tmp_path: Path):
    """The message holds the version found, the one needed, and how to name another."""
    done = make_test(tmp_path, python3=FAKE.format(version="3.9", too_old=1, no_venv=0))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed, but python3 is 3.9; install one, or name it: make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_is_named_with_what_to_install(tmp_path: Path):
    """Debian's bare python3 lacks venv, and the message names the package."""
    done = make_test(tmp_path, python3=FAKE.format(version="3.11", too_old=0, no_venv=1))
    assert done.returncode != 0
    assert "python3 can't make environments: its venv module is missing" in done.stderr
    assert "apt install python3-venv" in done.stderr


def test_no_python_at_all_is_said(tmp_path: Path):
    """Without any interpreter the message says which are needed."""
    done = make_test(tmp_path)
    assert done.returncode != 0
    assert "no working python3 was found; install Python 3.11 or newer" in done.stderr


def test_a_newer_python_beside_an_old_one_is_taken(tmp_path: Path):
    """Where python3 is too old but python3.12 is there, that one makes the environment."""
    maker = FAKE.format(version="3.12", too_old=0, no_venv=0).replace("exit 9", "exit 7")
    done = make_test(tmp_path, python3=FAKE.format(version="3.9", too_old=1, no_venv=0), python3_12=maker)
    assert "with python3.12" in done.stdout
    assert "asked for something else: -m venv" in done.stderr
