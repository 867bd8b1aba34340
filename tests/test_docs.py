"""The docs say what the code says: hooks, errors, commands, code."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from perpkit.core import errors, hookspecs

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def _load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


generate = _load_generator()


@pytest.mark.parametrize("page", sorted(generate.PAGES))
def test_the_generated_parts_are_fresh(page: str):
    """The page holds what the code says now; `make docs-generated` rewrites it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    assert generate.render(text, generate.PAGES[page]()) == text, f"docs/{page} is stale: run make docs-generated"


def test_every_hook_has_a_heading_with_its_arguments():
    """A plugin author finds each hook with the names of its arguments."""
    headings = re.findall(r"^### (\w+)\((.*?)\)", (DOCS / "hooks.md").read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: [argument for argument in arguments.split(", ") if argument] for name, arguments in headings}
    specified = {
        name: list(function.__code__.co_varnames[1 : function.__code__.co_argcount])
        for spec in hookspecs.SPECS
        for name, function in vars(spec).items()
        if hasattr(function, "perpkit_spec")
    }
    assert len(specified) > 20
    assert documented == specified


def test_every_hook_sentence_is_a_contract():
    """Each hook's docstring says something, and says whether it is awaited."""
    for spec in hookspecs.SPECS:
        for name, function in vars(spec).items():
            if hasattr(function, "perpkit_spec"):
                assert len(function.__doc__.split()) > 3, name
                assert function.__doc__.startswith("Async. ") == (name not in hookspecs.SYNC_HOOKS), name


def test_every_error_class_has_its_heading_and_stands_in_the_tree():
    """An error in a traceback can be looked up, and the drawn tree has the shape of the real one."""
    headings = re.findall(r"^### (\w+Error)", (DOCS / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    classes = generate.error_classes()
    assert headings == [cls.__name__ for cls in classes]
    drawn = {}
    above: list[str] = []
    for indent, name in re.findall(r"^    ( *)(\w+Error)\b", errors.__doc__, re.MULTILINE):
        depth = len(indent) // 2
        above = [*above[:depth], name]
        drawn[name] = above[depth - 1] if depth else "Exception"
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in classes}


def test_every_reason_of_a_rejection_is_in_the_table():
    """Each reason a program may compare with is listed."""
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    assert [reason for reason in errors.RejectReason if f"| `{reason.value}` |" not in page] == []


def test_prose_under_a_generated_block_stays_with_it():
    """A block that moves takes its prose along, and prose whose block is gone is not lost in silence."""
    old = "# T\n\n" + "".join(
        f"<!-- generated: {name} -->\n{name.upper()}1\n<!-- end -->\n\nabout {name}\n\n" for name in "ab"
    )
    new = generate.render(old, {"b": "B2", "c": "C2", "a": "A2"})
    order = ["# T", "B2", "about b", "C2", "A2", "about a"]
    assert [line for line in new.splitlines() if line in order] == order
    assert generate.render(new, {"b": "B2", "c": "C2", "a": "A2"}) == new
    with pytest.raises(generate.OrphanedProseError, match="a"):
        generate.render(new, {"b": "B2", "c": "C2"})


def python_blocks(page: Path) -> list[tuple[int, str]]:
    """Return each fenced block marked python, with the line it starts on."""
    text = page.read_text(encoding="utf-8")
    return [
        (text[: found.start()].count("\n") + 1, re.sub(rf"^{found[1]}", "", found[2], flags=re.MULTILINE))
        for found in re.finditer(r"^( *)```(?:python|py)\b[^\n]*\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_compile(page: Path):
    """What is marked as Python is Python; `await` at the top level is allowed, as in a notebook."""
    for line, code in python_blocks(page):
        try:
            compile(code, f"{page.name}:{line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            pytest.fail(f"{page.name}, block at line {line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_blocks_import_what_exists(page: Path):
    """A name that an example takes from perpkit is there."""
    for line, code in python_blocks(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "perpkit":
                module = importlib.import_module(node.module)
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not missing, f"{page.name}, block at line {line}: {node.module} has no {missing}"


PROGRAMS = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}:{line}")
    for page in PAGES
    for line, code in python_blocks(page)
    if "asyncio.run(" in code
]


@pytest.mark.parametrize("code", PROGRAMS)
def test_a_whole_program_in_the_docs_runs(code: str, tmp_path: Path):
    """A block that is a program runs as it stands, in a fresh interpreter, against what it starts itself."""
    program = tmp_path / "program.py"
    program.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)], capture_output=True, text=True, check=False, timeout=50
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_trades():
    """The README holds a program, and it is not long."""
    [code] = [code for _, code in python_blocks(ROOT / "README.md") if "asyncio.run(" in code]
    main = next(node for node in ast.parse(code).body if isinstance(node, ast.AsyncFunctionDef))
    assert main.end_lineno - main.lineno <= 25


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_files_that_are_named_exist(page: Path):
    """Every `make` target and every relative link of a page is there."""
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", text, re.MULTILINE))
    assert not named - targets, f"no such make target: {sorted(named - targets)}"
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
