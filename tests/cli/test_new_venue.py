"""``perpkit new-venue``: what it writes, what it refuses, and that it overwrites nothing."""

from __future__ import annotations

import ast
import tomllib

import pytest
from typer.testing import CliRunner

from perpkit.cli import new_venue
from perpkit.cli.app import app

NAMES = ("acme", "x", "deep_blue_2", "a_name_of_16_let")


def invoke(*given: str):
    return CliRunner().invoke(app, ["new-venue", *given], prog_name="perpkit")


def test_it_writes_a_package_and_says_what_to_do_next(tmp_path):
    """Entry points, plugin, local exchange, contract, profile, tests and workflow, under the name given."""
    target = tmp_path / "made"
    result = invoke("acme", "--directory", str(target))
    assert result.exit_code == 0, result.output
    assert "perpkit conformance acme" in result.output
    for path in (
        "src/perpkit_acme/venue.py", "src/perpkit_acme/profile.py", "src/perpkit_acme/openapi.json",
        "src/perpkit_acme/py.typed", "src/perpkit_acme/local/server.py", "tests/test_conformance.py", "README.md",
        ".github/workflows/ci.yml", ".gitignore",
    ):  # fmt: skip
        assert (target / path).is_file(), path
    points = tomllib.loads((target / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert points == {
        "perpkit.venues": {"acme": "perpkit_acme.venue:AcmeVenue"},
        "perpkit.profiles": {"acme": "perpkit_acme.profile:AcmeProfile"},
    }


def test_the_directory_is_named_after_the_venue(tmp_path, monkeypatch):
    """Without a directory it goes beside what is there, under the name of the distribution."""
    monkeypatch.chdir(tmp_path)
    assert invoke("acme").exit_code == 0
    assert (tmp_path / "perpkit-acme" / "pyproject.toml").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_the_templates_own_name_is_nowhere(name):
    """Every path and text goes by the new name, and every module still parses with lines of at most 120."""
    files = new_venue.render(name)
    for path, text in files.items():
        assert "toy" not in f"{path}\n{text}".lower(), path
        if path.endswith(".py"):
            ast.parse(text, path)
            assert max(map(len, text.splitlines()), default=0) <= 120, path


@pytest.mark.parametrize(
    "name", ["", "Acme", "2fast", "a-b", "a__b", "_a", "a_", "a b", "../up", "ünïcode", "seventeen_letters"]
)
def test_names_that_cannot_be_are_refused(name, tmp_path):
    """Each is refused in one line that says what would do, and nothing is written."""
    result = invoke(f"--directory={tmp_path / 'made'}", "--", name)
    assert result.exit_code == 2
    assert "small letters, digits" in result.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("name", "why"), [("paradex", "a venue 'paradex'"), ("conformance", "perpkit_conformance")])
def test_names_that_are_taken_are_refused(name, why, tmp_path):
    """Neither an installed venue nor a package of perpkit's own is shadowed."""
    result = invoke(name, "--directory", str(tmp_path / "made"))
    assert result.exit_code == 2
    assert why in result.stderr
    assert not (tmp_path / "made").exists()


def test_nothing_is_overwritten(tmp_path):
    """A directory that holds anything, or a file of that name, is left as it is."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine", "utf-8")
    (tmp_path / "file").write_text("mine", "utf-8")
    for target in ("made", "file"):
        result = invoke("acme", "--directory", str(tmp_path / target))
        assert result.exit_code == 2
        assert "nothing was written" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "made", "mine.txt"]
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_an_empty_directory_will_do(tmp_path):
    """A fresh repository's directory is there already."""
    assert invoke("acme", "--directory", str(tmp_path)).exit_code == 0
    assert (tmp_path / "pyproject.toml").is_file()


def test_what_tools_leave_behind_is_not_copied():
    """Caches of a template that somebody tried out are no part of it."""
    assert not [path for path in new_venue.template_files() if "cache" in path or path.endswith(".pyc")]


def test_an_installation_without_the_template_says_so(monkeypatch, tmp_path):
    """Instead of writing half a package."""
    monkeypatch.setattr(new_venue, "TEMPLATES", (tmp_path,))
    result = invoke("acme", "--directory", str(tmp_path / "made"))
    assert result.exit_code == 2
    assert "no template" in result.stderr
