"""
Rules that hold for every source file, as functions from a module's path and text to the places that break them.

Text comes in, offences come out: nothing here imports perpkit, so that a planted offence can be tried without
being run. ``test_layering.py`` holds the import rules, ``test_source_rules.py`` the rest.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {"perpkit": ROOT / "perpkit", "perpkit_conformance": ROOT / "conformance" / "perpkit_conformance"}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, and its text parsed."""

    name: str
    text: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.text, self.name)

    def is_in(self, *prefixes: str) -> bool:
        """Return whether the module is one of these, or inside one."""
        return any(self.name == prefix or self.name.startswith(prefix + ".") for prefix in prefixes)


@dataclass(frozen=True)
class Offence:
    """Where a rule is broken, by module and enclosing function rather than by line, which moves."""

    module: str
    scope: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} in {self.scope or 'the module'}: {self.what}"


Rule = Callable[[Module], Iterator[Offence]]


@lru_cache(maxsize=1024)
def _parsed(text: str, name: str) -> ast.Module:
    return ast.parse(text, name)


@cache
def source_modules() -> list[Module]:
    """Return every module of the wheel."""
    found = []
    for package, root in PACKAGES.items():
        for path in sorted(root.rglob("*.py")):
            parts = [package, *path.relative_to(root).with_suffix("").parts]
            is_package = parts[-1] == "__init__"
            found.append(
                Module(".".join(parts[:-1] if is_package else parts), path.read_text(encoding="utf-8"), is_package)
            )
    return found


def project_files() -> list[Path]:
    """Return the files of the project: what git knows or would take, so nothing that a build left behind."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def scoped(tree: ast.AST, scope: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Yield every node with the dotted name of the class or function around it."""
    for child in ast.iter_child_nodes(tree):
        yield child, scope
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        yield from scoped(child, f"{scope}.{child.name}".lstrip(".") if named else scope)


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of names, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def real_names(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for, so that an alias hides nothing."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def resolved(node: ast.AST, names: dict[str, str]) -> str:
    """Return the dotted name of an expression with its first part as imported."""
    first, _, rest = dotted(node).partition(".")
    return ".".join(filter(None, (names.get(first, first), rest)))


def imports(module: Module) -> Iterator[tuple[str, str, int]]:
    """Yield every imported name as an absolute dotted path, with scope and line; text given to import_module too."""
    package = module.name.split(".") if module.is_package else module.name.split(".")[:-1]
    for node, scope in scoped(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, scope, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{origin}.{alias.name}", scope, node.lineno
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func).rpartition(".")[2] in {"import_module", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value), scope, node.lineno


# Money and time


def no_float_on_money_paths(module: Module) -> Iterator[Offence]:
    """Money is Decimal: no conversion to float, and no Decimal made from a float's digits."""
    if not module.is_in("perpkit.core", "perpkit.adapters", "perpkit.funding", "perpkit.sim", "perpkit.hummingbot"):
        return
    for node, scope in scoped(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        if called == "float":
            yield Offence(module.name, scope, node.lineno, "float(...) where money may pass")
        elif called.rpartition(".")[2] == "Decimal" and any(
            isinstance(part, ast.Constant) and isinstance(part.value, float)
            for argument in node.args
            for part in ast.walk(argument)
        ):
            yield Offence(module.name, scope, node.lineno, "Decimal(...) of a float literal; write it as text")


def no_float_fields(module: Module) -> Iterator[Offence]:
    """No field of a public model or of a wire schema is a float."""
    if not (module.is_in("perpkit.core.models") or (module.is_in("perpkit.adapters") and "schema" in module.name)):
        return
    for node, scope in scoped(module.tree):
        if isinstance(node, ast.AnnAssign) and any(
            isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(node.annotation)
        ):
            yield Offence(module.name, scope, node.lineno, f"field {dotted(node.target)} is a float")


CLOCK_READINGS = frozenset(
    ["datetime.datetime." + name for name in ("now", "utcnow", "today")]
    + ["datetime.date.today"]
    + ["time." + name for name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep", "gmtime", "localtime")]
)


def only_the_clock_reads_time(module: Module) -> Iterator[Offence]:
    """Everything else is given a Clock, so that a test can move it."""
    if module.name == "perpkit.core.clock":
        return
    tree = module.tree
    names = real_names(tree)
    for node, scope in scoped(tree):
        if isinstance(node, ast.Attribute | ast.Name) and resolved(node, names) in CLOCK_READINGS:
            yield Offence(module.name, scope, node.lineno, f"{resolved(node, names)}; take a perpkit.core.clock.Clock")


VOLATILE = frozenset(
    [
        "now",
        "utcnow",
        "today",
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "uuid1",
        "uuid4",
        "urandom",
        "random",
        "randint",
        "randrange",
        "uniform",
        "choice",
        "getrandbits",
        "randbytes",
        "token_bytes",
        "token_hex",
        "token_urlsafe",
        "randbits",
    ]
)


def nothing_volatile_at_import(module: Module) -> Iterator[Offence]:
    """No default or class attribute is taken from a clock or from chance: it would be frozen at import."""

    def volatile(value: ast.AST | None) -> str | None:
        if value is None or isinstance(value, ast.Lambda):
            return None
        if isinstance(value, ast.Call) and (called := dotted(value.func)).rpartition(".")[2] in VOLATILE:
            return called
        return next((found for child in ast.iter_child_nodes(value) if (found := volatile(child))), None)

    def frozen(node: ast.AST) -> Iterator[tuple[ast.AST | None, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                yield default, "a default argument"
        if isinstance(node, ast.ClassDef | ast.Module):
            for statement in node.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    yield statement.value, "a class attribute" if isinstance(node, ast.ClassDef) else "a constant"

    tree = module.tree
    for node, scope in ((tree, ""), *scoped(tree)):
        for value, where in frozen(node):
            if called := volatile(value):
                yield Offence(module.name, scope, getattr(value, "lineno", 0), f"{called}() in {where}")


# Errors and placeholders


def _is_broad(kind: ast.AST | None) -> bool:
    return kind is not None and any(
        dotted(part).rpartition(".")[2] in {"Exception", "BaseException"} for part in ast.walk(kind)
    )


def _says_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def no_swallowed_errors(module: Module) -> Iterator[Offence]:
    """No bare except, and no broad one that does nothing with what it caught."""
    for node, scope in scoped(module.tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield Offence(module.name, scope, node.lineno, "bare except")
            elif _is_broad(node.type) and all(_says_nothing(statement) for statement in node.body):
                yield Offence(module.name, scope, node.lineno, "every error caught and dropped")
        elif (
            isinstance(node, ast.Call)
            and dotted(node.func).rpartition(".")[2] == "suppress"
            and any(_is_broad(argument) for argument in node.args)
        ):
            yield Offence(module.name, scope, node.lineno, "every error suppressed")


def _may_be_empty(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: ast.ClassDef | None) -> bool:
    def last_name(expression: ast.expr) -> str:
        inner = {ast.Call: "func", ast.Subscript: "value"}.get(type(expression))
        return dotted(getattr(expression, inner) if inner else expression).rpartition(".")[2]

    marks = {last_name(decorator) for decorator in node.decorator_list}
    bases = {last_name(base) for base in owner.bases} if owner else set()
    # A typer callback's docstring is its group's help, and often all there is to it.
    return bool(marks & {"hookspec", "abstractmethod", "overload", "callback"}) or "Protocol" in bases


def _stands_for_nothing(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Pass):
        return "pass"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return "..."
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return "raise NotImplementedError" if dotted(raised) == "NotImplementedError" else None
    if isinstance(statement, ast.Return):
        value = statement.value
        if value is None or (isinstance(value, ast.Constant) and value.value is None):
            return "return None"
        if isinstance(value, ast.List | ast.Tuple | ast.Set) and not value.elts:
            return "return of something empty"
        if isinstance(value, ast.Dict) and not value.keys:
            return "return of something empty"
    return None


def no_placeholders(module: Module) -> Iterator[Offence]:
    """A function that can't do its work isn't there; none pretends. Nor is work left as a note in a comment."""
    tree = module.tree
    owners = {id(item): node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body}
    for node, scope in scoped(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _may_be_empty(node, owners.get(id(node))):
            continue
        if module.name == "perpkit.core.hookspecs" and node.decorator_list:
            continue
        documented = ast.get_docstring(node, clean=False) is not None
        body = node.body[1:] if documented else node.body
        empty = [_stands_for_nothing(statement) for statement in body]
        if all(empty):
            what = f"{node.name}() is only {empty[0] if empty else 'a docstring'}"
            yield Offence(module.name, f"{scope}.{node.name}".lstrip("."), node.lineno, what)
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type == tokenize.COMMENT and (found := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string)):
            yield Offence(module.name, "", token.start[0], f"{found[1]} in a comment; finish it or open an issue")


# Libraries in their place

# Each library that must stay behind one door, and the door.
DOORS = {
    # The suite alters wire bodies: it must write numbers in every spelling, wrong ones too.
    "json": ("perpkit.core.transport.wire_json", "perpkit.sim", "perpkit_conformance.suite"),
    "simplejson": (),
    "orjson": (),
    "pickle": ("perpkit_conformance.suite.test_security",),  # looks for secrets in what pickling would carry away
    "requests": (),
    "httpx": (),
    "fast_stark_crypto": ("perpkit.crypto",),
    "Crypto": ("perpkit.crypto",),
    "paradex_py": ("perpkit.adapters.paradex",),
    "starknet_py": ("perpkit.adapters.paradex",),
    "ccxt": ("perpkit.adapters.ccxt",),
    "hummingbot": ("perpkit.hummingbot",),
    "typer": ("perpkit.cli",),
    "rich": ("perpkit.cli",),
    "pytest": ("perpkit_conformance",),
}


def libraries_stay_behind_their_door(module: Module) -> Iterator[Offence]:
    """A library that would lose digits, block the loop or weigh on start-up is imported in one place only."""
    for name, scope, line in imports(module):
        library = name.partition(".")[0]
        doors = DOORS.get(library)
        if doors is not None and not module.is_in(*doors):
            where = " and ".join(doors) or "nowhere"
            yield Offence(module.name, scope, line, f"imports {library}, which is for {where}")


# Layers

CORE, CRYPTO = "perpkit.core", "perpkit.crypto"

# The simulator as a test may see it: the back door, the faults, and the copies that the ledger hands out.
_SEEN = ("control", "faults", "accounts", "orders", "markets", "market_data")
BACK_DOOR = tuple(f"perpkit.sim.{name}" for name in _SEEN)

# What each part of the project may import of the project, itself apart. The first matching row counts.
LAYERS: list[tuple[str, tuple[str, ...]]] = [
    ("perpkit.core", ()),
    ("perpkit.crypto", (CORE,)),
    ("perpkit.sim", ("perpkit.core.models", "perpkit.core.clock", CRYPTO)),
    ("perpkit.adapters", (CORE, CRYPTO)),
    ("perpkit.funding", (CORE,)),
    ("perpkit.hummingbot", (CORE,)),
    ("perpkit.cli", ("perpkit",)),
    # The suite knows targets and the back door only; what starts a local venue and reads its ledger stands beside it.
    ("perpkit_conformance.suite", (CORE, *BACK_DOOR, "perpkit_conformance")),
    ("perpkit_conformance", (CORE, "perpkit.sim")),
    ("perpkit.__main__", ("perpkit.cli",)),
    ("perpkit", (CORE,)),
]

# Folders whose members are independent of each other: one venue never leans on another.
SIBLINGS = ("perpkit.adapters", "perpkit.sim.venues")


def _inside(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def imports_point_one_way(module: Module) -> Iterator[Offence]:
    """The core imports nothing else of perpkit, the simulators and the adapters never see each other, and so on."""
    layer, allowed = next((row for row in LAYERS if _inside(module.name, row[0])), (module.name, ()))
    for name, scope, line in imports(module):
        if name.partition(".")[0] not in PACKAGES:
            continue
        at_home = _inside(name, layer) if layer != "perpkit" else name == "perpkit"
        if not at_home and not any(_inside(name, prefix) for prefix in allowed):
            may = ", ".join(allowed) or "nothing else of perpkit"
            yield Offence(module.name, scope, line, f"imports {name}; {layer} may import {may}")
        for folder in SIBLINGS:
            if _inside(module.name, folder) and _inside(name, folder):
                depth = folder.count(".") + 1
                ours, theirs = module.name.split(".")[depth : depth + 1], name.split(".")[depth : depth + 1]
                if ours and theirs and ours != theirs:
                    yield Offence(module.name, scope, line, f"imports {name}: one venue leans on another")


# Words that no file of the project may hold, each put together here so that this file does not hold it either.
_HOSTS = ["pypi" + ".org", "python" + "hosted", "crates" + ".io", "npm" + "js", "conda" + ".anaconda"]
_PATHS = ["work", "root", r"home/[a-z]\w*", r"Users/[A-Za-z]\w*"]
FORBIDDEN_WORDS = re.compile(
    "|".join([*(re.escape(host) for host in _HOSTS), *(rf"(?<![\w./*-])/{path}(?:/|\b)" for path in _PATHS)])
)


def forbidden_words(text: str) -> Iterator[str]:
    """Yield each package-registry host and machine path in a file's text, with its line number."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in FORBIDDEN_WORDS.finditer(line):
            yield f"line {number}: {found[0]}"
