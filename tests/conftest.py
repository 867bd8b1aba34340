"""What every test may use."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from perpkit.core.transport.ratelimit import process_registry

# A busy machine is no defect, so no deadline. The examples are the same in every run; HYPOTHESIS_PROFILE=explore draws
# new ones, and a failure prints the blob that repeats it.
settings.register_profile("perpkit", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, print_blob=True, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "perpkit"))

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _limits_of_its_own() -> None:
    """
    Nothing of what other tests have used up, or of what another venue allows: limits are kept by host, and the port of
    a local exchange that is gone is given to another before long.
    """
    process_registry.cache_clear()


@cache
def _witness(target: str, variable: str, modules: str) -> tuple[str | None, str]:
    """Return the interpreter of the environment that a make target makes, or none and the reason."""
    named, made = os.environ.get(variable), f".venv-{target}"
    python = Path(named) if named else ROOT / made / "bin" / "python"
    if not python.exists():
        return None, f"{python.name if named else made} is not there; `make {target}` makes it"
    tried = subprocess.run([python, "-c", f"import {modules}"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return None, f"{modules} can't be imported there: {tried.stderr.strip().splitlines()[-1:]}"
    return str(python), ""


def _witness_or_skip(whose: str, target: str, variable: str, modules: str) -> str:
    python, reason = _witness(target, variable, modules)
    if python is None:
        pytest.skip(f"no {whose}: {reason}")
    return python


@pytest.fixture(scope="session")
def oracle_python() -> str:
    """The interpreter of the environment that holds paradex-py and ccxt; skips, saying why, where it can't be had."""
    return _witness_or_skip("oracle environment", "oracle", "PERPKIT_ORACLE_PYTHON", "paradex_py")


@pytest.fixture(scope="session")
def x10_python() -> str:
    """The interpreter of the environment that holds Extended's SDK and ccxt; skips, saying why, where it is not."""
    return _witness_or_skip("environment for Extended's SDK", "oracle-x10", "PERPKIT_ORACLE_X10_PYTHON", "x10, ccxt")


@pytest.fixture(scope="session")
def lighter_python() -> str:
    """The interpreter of the environment that holds Lighter's SDK and ccxt; skips, saying why, where it is not."""
    return _witness_or_skip(
        "environment for Lighter's SDK", "oracle-lighter", "PERPKIT_ORACLE_LIGHTER_PYTHON", "lighter, ccxt"
    )
