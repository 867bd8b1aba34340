"""What is built and what importing it costs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

HEAVY = ("ccxt", "paradex_py", "starknet_py", "fast_stark_crypto", "typer", "rich", "pytest", "hummingbot")
"""Libraries that `import perpkit` must not bring in: users pay only for what they open."""


def run(code: str, **environment: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after a statement."""
    return set(run(f"{statement}\nimport sys\nprint(*sys.modules)").split())


def test_importing_perpkit_brings_in_no_venue_and_no_command_line():
    """`import perpkit` loads neither an adapter, nor an SDK, nor typer."""
    loaded = imported_by("import perpkit")
    assert "perpkit" in loaded
    assert sorted(name for name in loaded if name.split(".")[0] in HEAVY) == []
    parts = ("perpkit.adapters.", "perpkit.sim", "perpkit.cli", "perpkit_conformance")
    assert sorted(name for name in loaded if name.startswith(parts)) == []


def test_the_check_on_imports_sees_an_import():
    """The same question, asked of a statement that does import it, answers yes."""
    assert "fast_stark_crypto" in imported_by("import fast_stark_crypto")


def test_importing_perpkit_does_nothing_outside_the_process():
    """No connection is made, no file written, no process started."""
    run(
        "import sys\n"
        "import asyncio, ssl, zoneinfo\n"
        "def refuse(event, arguments):\n"
        "    written = event == 'open' and any(mode in str(arguments[1]) for mode in 'wax+')\n"
        "    bytecode = written and '__pycache__' in str(arguments[0])\n"
        "    outside = event.startswith(('socket.connect', 'socket.bind', 'subprocess.', 'os.system'))\n"
        "    if outside or (written and not bytecode):\n"
        "        raise RuntimeError(f'import does {event} {arguments}')\n"
        "sys.addaudithook(refuse)\n"
        "import perpkit\n"
    )


def test_importing_perpkit_works_in_the_plain_c_locale():
    """A container without UTF-8 mode can import it."""
    run("import perpkit", LC_ALL="C", LANG="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


def test_every_entry_point_resolves():
    """Each name that the distribution publishes leads to something that is there."""
    ours = distribution("perpkit").entry_points
    assert {point.group for point in ours} >= {"console_scripts", "perpkit.venues", "perpkit.middleware"}
    for point in ours:
        assert point.load() is not None, point


def test_the_base_dependencies_stay_small():
    """What everybody must install is this list; anything else is an extra."""
    base = [entry for entry in distribution("perpkit").requires or [] if "extra ==" not in entry]
    names = sorted(entry.split(">")[0].split("<")[0].split("=")[0].strip() for entry in base)
    assert names == ["aiohttp", "msgspec", "pluggy", "pydantic", "rich", "typer"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from the tree by the build backend alone, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_both_packages_and_the_typing_marker(wheel: zipfile.ZipFile):
    """One wheel: the library, typed, and the conformance suite."""
    names = set(wheel.namelist())
    assert {"perpkit/__init__.py", "perpkit/py.typed", "perpkit_conformance/__init__.py"} <= names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"perpkit", "perpkit_conformance"}


_CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def test_the_wheel_holds_every_source_and_data_file(wheel: zipfile.ZipFile):
    """What the packages hold in the tree, contracts included, arrives at the user; caches do not."""
    expected = set()
    for package, root in {
        "perpkit": ROOT / "perpkit",
        "perpkit_conformance": ROOT / "conformance/perpkit_conformance",
        # What `perpkit new-venue` writes; kept out of the suite's package, whose tests are collected.
        "perpkit/cli/template": ROOT / "conformance/template",
    }.items():
        for path in root.rglob("*"):
            if path.is_file() and not _CACHES & set(path.parts):
                expected.add(f"{package}/{path.relative_to(root).as_posix()}")
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == expected


def test_the_wheel_carries_the_licence(wheel: zipfile.ZipFile):
    """The licence text goes with the code."""
    [licence] = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    assert "The perpkit authors" in wheel.read(licence).decode()


def test_the_wheel_can_be_imported_by_itself(wheel: zipfile.ZipFile, tmp_path: Path):
    """Unpacked away from the tree, with only the dependencies, it imports: nothing leans on the checkout."""
    wheel.extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "import perpkit, perpkit_conformance; print(perpkit.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
