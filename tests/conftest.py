"""What every test may use."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no defect, so no deadline. The examples are the same in every run; HYPOTHESIS_PROFILE=explore draws
# new ones, and a failure prints the blob that repeats it.
settings.register_profile("perpkit", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "perpkit"))

ROOT = Path(__file__).parent.parent


@cache
def _oracle() -> tuple[str | None, str]:
    """Return the interpreter that has the outside witnesses, or none and the reason."""
    named = os.environ.get("PERPKIT_ORACLE_PYTHON")
    python = Path(named) if named else ROOT / ".venv-oracle" / "bin" / "python"
    if not python.exists():
        return None, f"{python.name if named else '.venv-oracle'} is not there; `make oracle` makes it"
    tried = subprocess.run([python, "-c", "import paradex_py"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return None, f"paradex-py does not import there: {tried.stderr.strip().splitlines()[-1:]}"
    return str(python), ""


@pytest.fixture(scope="session")
def oracle_python() -> str:
    """The interpreter of the environment that holds paradex-py and ccxt; skips, saying why, where it can't be had."""
    python, reason = _oracle()
    if python is None:
        pytest.skip(f"no oracle environment: {reason}")
    return python


@cache
def _x10() -> tuple[str | None, str]:
    """Return the interpreter that has Extended's SDK, or none and the reason."""
    named = os.environ.get("PERPKIT_ORACLE_X10_PYTHON")
    python = Path(named) if named else ROOT / ".venv-oracle-x10" / "bin" / "python"
    if not python.exists():
        return None, f"{python.name if named else '.venv-oracle-x10'} is not there; `make oracle-x10` makes it"
    tried = subprocess.run([python, "-c", "import x10, ccxt"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return None, f"Extended's SDK does not import there: {tried.stderr.strip().splitlines()[-1:]}"
    return str(python), ""


@pytest.fixture(scope="session")
def x10_python() -> str:
    """The interpreter of the environment that holds Extended's SDK and ccxt; skips, saying why, where it is not."""
    python, reason = _x10()
    if python is None:
        pytest.skip(f"no environment for Extended's SDK: {reason}")
    return python


@cache
def _lighter() -> tuple[str | None, str]:
    """Return the interpreter that has Lighter's SDK, or none and the reason."""
    named = os.environ.get("PERPKIT_ORACLE_LIGHTER_PYTHON")
    python = Path(named) if named else ROOT / ".venv-oracle-lighter" / "bin" / "python"
    if not python.exists():
        return None, f"{python.name if named else '.venv-oracle-lighter'} is not there; `make oracle-lighter` makes it"
    tried = subprocess.run([python, "-c", "import lighter, ccxt"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return None, f"Lighter's SDK does not import there: {tried.stderr.strip().splitlines()[-1:]}"
    return str(python), ""


@pytest.fixture(scope="session")
def lighter_python() -> str:
    """The interpreter of the environment that holds Lighter's SDK and ccxt; skips, saying why, where it is not."""
    python, reason = _lighter()
    if python is None:
        pytest.skip(f"no environment for Lighter's SDK: {reason}")
    return python
