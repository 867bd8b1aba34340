"""``perpkit new-venue NAME``: a complete package for a venue plugin, which works, to be changed file by file."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from perpkit.cli.running import errors_in_one_line
from perpkit.core import plugins
from perpkit.core.errors import ConfigError

app = typer.Typer()

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 16
_PLACEHOLDER = re.compile("toy", re.IGNORECASE)
_BYPRODUCTS = frozenset({"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"})

_HERE = Path(__file__).parent
TEMPLATES = (_HERE / "template", _HERE.parent.parent / "conformance" / "template")
"""Where the template is: in an installed perpkit, and in its source tree."""


@app.command("new-venue")
def new_venue(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The venue's name: small letters, digits, underscores.")],
    *,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", metavar="DIR", help="Where to; perpkit-NAME by default.")
    ] = None,
) -> None:
    """
    Write a complete, installable package for a new venue's plugin: it works as it is, against a small made-up venue.

    It brings the plugin, a local exchange of that venue, its contract, the conformance profile, tests and a workflow.
    Replace one file at a time; `perpkit conformance NAME` says what broke. Nothing is overwritten.
    """
    with errors_in_one_line():
        check_name(name)
        target = directory if directory is not None else Path(f"perpkit-{name}")
        written = write(name, target)
    typer.echo(f"{written} files in {target}. Next:")
    typer.echo(f"  cd {target}")
    typer.echo("  pip install -e '.[dev]'")
    typer.echo(f"  perpkit conformance {name}")


def check_name(name: str) -> None:
    """
    Refuse what can't name a venue and a Python package, and what is taken.

    Raises:
        ConfigError: With what would do.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        msg = f"{name!r} can't name a venue: small letters, digits and single underscores, a letter first, at most "
        raise ConfigError(f"{msg}{_LONGEST} characters")
    taken = next((each for each in plugins.installed() if each.name == name), None)
    if taken is not None:
        raise ConfigError(
            f"a venue {name!r} is installed already, by {taken.distribution or 'perpkit'}; choose another"
        )
    if find_spec(f"perpkit_{name}") is not None:
        raise ConfigError(f"a package perpkit_{name} is installed already; choose another name")


def write(name: str, target: Path) -> int:
    """
    Write the package into a directory that is not there yet, or is empty; return how many files it has.

    Raises:
        ConfigError: There is something already, or it can't be written to.
    """
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ConfigError(f"{target} is there already and not empty; nothing was written")
        files = render(name)
        for path, text in files.items():
            place = target / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error}") from error
    return len(files)


def render(name: str) -> dict[str, str]:
    """Return the package's files by path, with the venue's name in place of the template's."""
    words = {
        "toy": name,
        "TOY": name.upper(),
        "Toy": "".join(part.capitalize() for part in name.split("_")),
    }

    def named(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: words[found[0]], text)

    root = template()
    return {named(path): named((root / path).read_text("utf-8")) for path in template_files()}


def template() -> Path:
    """
    Return the directory that holds the template.

    Raises:
        ConfigError: This installation has none.
    """
    found = next((each for each in TEMPLATES if (each / "pyproject.toml").is_file()), None)
    if found is None:
        raise ConfigError("this installation of perpkit has no template; install it again from a wheel")
    return found


def template_files() -> list[str]:
    """Return the template's files, sorted, without what tools leave behind."""
    root = template()
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in paths if not _BYPRODUCTS & set(path.parts) and path.suffix != ".pyc")
