"""
A stranger's package, from ``perpkit new-venue`` to its report card: built, installed from wheels into an environment
outside the tree, found by its entry points, and proved there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from perpkit.cli import new_venue

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "tutorial-venue-plugin.md"
NAME = "acme"
OUTCOMES = ("passed", "not offered", "not run")

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Kit:
    """The package as written, and the environment that it is installed in."""

    package: Path
    bin: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, away from both trees."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}
        return subprocess.run(
            [str(self.bin / "python"), "-m", *command],
            check=False, capture_output=True, text=True, cwd=self.bin, env={**clean, "COLUMNS": "200"},
        )  # fmt: skip


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def files_of(root: Path, name: str) -> list[str]:
    """Return a package's files, with its name taken out; what building and checking left there does not count."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    kept = (path.as_posix() for path in found if not any("cache" in part for part in path.parts))
    return sorted(path.replace(name, "NAME") for path in kept)


@pytest.fixture(scope="module")
def kit(tmp_path_factory) -> Kit:
    """Two wheels in a fresh environment; only what perpkit depends on is borrowed from the one that runs the tests."""
    place = tmp_path_factory.mktemp("kit")
    package, wheels, environment = place / "package", place / "wheels", place / "env"
    made = [sys.executable, "-m", "perpkit", "new-venue", NAME, "--directory", str(package)]
    subprocess.run(made, check=True, capture_output=True)
    # Offline: the build backend is here, and so is everything that is needed at run time.
    offline = ("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    pip("wheel", *offline, "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT), str(package))
    venv.create(environment, with_pip=False)
    (site,) = environment.glob("lib/python*/site-packages")
    pip("install", *offline, "--target", str(site), *map(str, wheels.glob("*.whl")))
    borrowed = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    (site / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n", "utf-8")
    return Kit(package, environment / "bin")


def test_it_is_found_by_its_entry_points(kit):
    """The installed perpkit lists it, with the package that it comes from; nothing is read from the tree."""
    venues = kit.run("perpkit", "venues", "--json")
    assert venues.returncode == 0, venues.stderr
    found = json.loads(venues.stdout)
    assert f"perpkit-{NAME}" in venues.stdout, found
    where = kit.run("perpkit_conformance", "--help")
    assert where.returncode == 0, where.stderr
    shown = subprocess.run(
        [str(kit.bin / "python"), "-c", f"import perpkit, perpkit_{NAME} as it; print(perpkit.__file__, it.__file__)"],
        check=True, capture_output=True, text=True, cwd=kit.bin,
    )  # fmt: skip
    for path in shown.stdout.split():
        assert Path(path).is_relative_to(kit.bin.parent), path


def test_the_installed_perpkit_writes_the_same_package(kit, tmp_path):
    """The template is in the wheel, whole: hidden files as well."""
    again = kit.run("perpkit", "new-venue", "other", "--directory", str(tmp_path / "other"))
    assert again.returncode == 0, again.stderr
    files = [
        sorted(
            re.sub(f"{name}", "NAME", path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file()
        )
        for name, root in ((NAME, kit.package), ("other", tmp_path / "other"))
    ]
    assert files[0] == files[1]


def test_the_package_as_it_was_written_prints_gold(kit, tmp_path):
    """Every rule up to gold is met, few because the venue has nothing of the kind; only a testnet is missing."""
    file = tmp_path / "card.json"
    ran = kit.run("perpkit", "conformance", NAME, "--workers", "2", "--json", str(file))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    card = json.loads(file.read_text("utf-8"))
    assert (card["tier"], card["partial"], card["waivers"]) == ("gold", False, [])
    assert card["plugin"].startswith(f"perpkit-{NAME}")
    of = {outcome: [rule["id"] for rule in card["rules"] if rule["outcome"] == outcome] for outcome in OUTCOMES}
    assert sum(map(len, of.values())) == len(card["rules"]), "a rule failed, or is waived or not implemented"
    assert of["not run"] == ["testnet-evidence", "testnet-order"]
    assert len(of["not offered"]) <= 10
    met = f"Acme: gold ({len(of['passed']) + len(of['not offered'])} of {len(card['rules'])} rules met; "
    assert met in ran.stdout
    assert met in PAGE.read_text("utf-8"), "the tutorial's figures are old"


@pytest.mark.skipif(not (find_spec("ruff") and find_spec("mypy")), reason="ruff or mypy is not installed here")
def test_it_is_typed_and_clean(kit):
    """Its own workflow's checks pass: ruff's rules and mypy --strict."""
    for command in (["ruff", "check", "."], ["mypy"]):
        done = subprocess.run(
            [sys.executable, "-m", *command], check=False, capture_output=True, text=True, cwd=kit.package
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_tutorials_code_is_the_templates():
    """The page takes each block from the template's file of that title, and shows every module once."""
    text = PAGE.read_text("utf-8")
    shown = re.findall(r'```\w+ title="([^"]+)"\n--8<-- "conformance/template/([^"]+)"\n```', text)
    assert len(shown) == text.count("title=")
    assert [title for title, _ in shown] == [path for _, path in shown]
    paths = [path for path, _ in shown]
    modules = {path for path in new_venue.template_files() if path.endswith(".py") and "__init__" not in path}
    assert sorted(paths) == sorted({*modules, "pyproject.toml"})
