"""
Rewrites the parts of the docs that the code decides: hook signatures, the error tree. ``make docs-generated`` runs it.

A page is a run of generated blocks, each followed by prose written by hand. The code decides which blocks there are,
their order and what they say; the prose after a block stays with it. ``tests/test_docs.py`` fails while a page is
stale, so nobody keeps a signature up to date by hand.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from perpkit_conformance import pages

from perpkit.core import errors, hookspecs

DOCS = Path(__file__).parent

BLOCK = re.compile(r"<!-- generated: (\S+) -->\n.*?<!-- end -->\n", re.DOTALL)


class OrphanedProseError(Exception):
    """Prose stands under a block that the code no longer has; move it or delete it."""


def render(page: str, blocks: dict[str, str]) -> str:
    """
    Return the page with its blocks as the code has them, in the code's order, each with its prose.

    Raises:
        OrphanedProseError: A block is gone from the code but prose stands under it.
    """
    intro, *rest = BLOCK.split(page)
    prose = dict(zip(rest[::2], rest[1::2], strict=True))
    orphaned = [name for name, text in prose.items() if name not in blocks and text.strip()]
    if orphaned:
        raise OrphanedProseError(f"no longer in the code, but described: {', '.join(orphaned)}")
    parts = [intro.rstrip("\n"), "\n\n"]
    for name, text in blocks.items():
        parts += [f"<!-- generated: {name} -->\n{text.rstrip()}\n<!-- end -->\n"]
        words = prose.get(name, "").strip("\n")
        parts += [f"\n{words}\n\n" if words.strip() else "\n"]
    return "".join(parts).rstrip("\n") + "\n"


# Hooks


def hooks() -> Iterator[tuple[type, str, object]]:
    """Yield each hook with its group, in the order of the specification."""
    for spec in hookspecs.SPECS:
        for name, function in vars(spec).items():
            if not name.startswith("_") and inspect.isfunction(function):
                yield spec, name, function


def hook_arguments(function: object) -> list[str]:
    """Return the names of a hook's arguments, ``self`` apart."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def hook_signature(name: str, function: object) -> str:
    """Return the signature as a plugin writes it: ``async def`` where the hook is awaited."""
    signature = inspect.signature(function)
    result = str(signature.return_annotation)
    is_async = name not in hookspecs.SYNC_HOOKS
    if is_async:
        result = re.sub(r"^Awaitable\[(.*)\]$", r"\1", result)
    arguments = [p.name if p.name == "self" else f"{p.name}: {p.annotation}" for p in signature.parameters.values()]
    head = f"{'async ' if is_async else ''}def {name}"
    line = f"{head}({', '.join(arguments)}) -> {result}: ..."
    if len(line) <= 96:
        return line
    return f"{head}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f") -> {result}: ..."


def hook_blocks() -> dict[str, str]:
    """Return a heading, signature and sentence for each hook, under a heading for each group."""
    blocks: dict[str, str] = {}
    for spec, name, function in hooks():
        group = spec.__name__.removesuffix("Spec")
        blocks.setdefault(f"group:{group}", f"## {group}\n\n{inspect.getdoc(spec)}")
        sentence = inspect.getdoc(function).removeprefix("Async. ").replace("\n", " ").replace("``", "`")
        required = "" if name not in hookspecs.REQUIRED else " **A venue without it is refused at registration.**"
        blocks[f"hook:{name}"] = (
            f"### {name}({', '.join(hook_arguments(function))}) {{ #{name} }}\n\n"
            f"```python\n{hook_signature(name, function)}\n```\n\n"
            f"{sentence.removesuffix(' Required.')}{required}"
        )
    return blocks


# Errors


def error_classes() -> list[type[errors.PerpkitError]]:
    """Return every error class of the tree, parents first."""

    def below(cls: type[errors.PerpkitError]) -> Iterator[type[errors.PerpkitError]]:
        yield cls
        for child in cls.__subclasses__():
            if child.__module__ == errors.__name__:
                yield from below(child)

    return list(below(errors.PerpkitError))


def error_text(cls: type) -> str:
    """Return a class's docstring as Markdown: what it means, then its attributes as a list."""
    meaning, _, attributes = inspect.getdoc(cls).partition("Attributes:\n")
    lines = [re.sub(r"``([^`]+)``", r"`\1`", " ".join(meaning.split()))]
    if attributes:
        lines.append("")
        for entry in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
            lines.append(f"- `{entry[0]}`: {' '.join(entry[1].split())}".replace("``", "`"))
    return "\n".join(lines)


def reject_reasons() -> str:
    """Return the reasons of a rejection as a table, each with the sentence written under it in the code."""
    source = inspect.getsource(errors.RejectReason)
    said = dict(re.findall(r'^    \w+ = "(\w+)"\n    """(.+)"""$', source, re.MULTILINE))
    rows = [f"| `{reason.value}` | {said.get(reason.value, '')} |" for reason in errors.RejectReason]
    return "\n".join(["## Reasons of a rejection", "", "| `error.reason` | meaning |", "|---|---|", *rows])


def error_blocks() -> dict[str, str]:
    """Return the tree, then a heading and meaning for each class, then the reasons of a rejection."""
    tree = inspect.getdoc(errors).split("::\n\n")[1].split("\n\nEvery error")[0]
    lines = "\n".join(line.removeprefix("    ") for line in tree.splitlines())
    blocks = {"tree": f"## The tree\n\n```text\n{lines}\n```", "classes": "## Each class"}
    for cls in error_classes():
        chain = [parent.__name__ for parent in reversed(cls.__mro__) if issubclass(parent, errors.PerpkitError)]
        path = " / ".join(f"[{name}](#{name.lower()})" for name in chain[:-1])
        blocks[f"error:{cls.__name__}"] = f"### {cls.__name__} {{ #{cls.__name__.lower()} }}\n\n" + (
            f"{path} / **{cls.__name__}**\n\n{error_text(cls)}" if path else error_text(cls)
        )
    blocks["reasons"] = reject_reasons()
    return blocks


PAGES = {"hooks.md": hook_blocks, "errors.md": error_blocks}


def main() -> int:
    """Rewrite every generated page in place."""
    for name, blocks in PAGES.items():
        page = DOCS / name
        old = page.read_text(encoding="utf-8")
        new = render(old, blocks())
        if new != old:
            page.write_text(new, encoding="utf-8")
            sys.stdout.write(f"rewrote docs/{name}\n")
    kept = DOCS / "conformance"
    readme = pages.write_readme(DOCS.parent / "README.md", kept)
    for path in (*pages.write(DOCS / "rules"), *pages.write_cards(kept), *readme):
        sys.stdout.write(f"rewrote {path.relative_to(DOCS.parent)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
