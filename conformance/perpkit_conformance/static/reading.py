"""Findings in a plugin's source. Each is about something that can't be right, so there is no list of exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from perpkit.core.hookspecs import SYNC_HOOKS
from perpkit_conformance.static.sources import HookSource, Source, dotted, hooks_of

_MAY_BE_STILL = frozenset({"start", "stop", *SYNC_HOOKS})
"""Hooks that need not ask the venue anything."""

_EMPTY_MAKERS = frozenset({"list", "dict", "tuple", "set", "frozenset", "str", "int", "decimal.Decimal", "Decimal"})

_VOLATILE = frozenset(
    {
        *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
        "datetime.date.today",
        *(f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter")),
        *(f"uuid.{name}" for name in ("uuid1", "uuid4")),
        *(f"random.{name}" for name in ("random", "randint", "randrange", "uniform", "choice", "getrandbits")),
        *(f"secrets.{name}" for name in ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "randbits")),
        "os.urandom",
    }
)

_BLOCKING = ("requests.", "httpx.", "urllib.request.", "urllib3.", "http.client.", "time.sleep", "subprocess.run")
_BLOCKING_OK = ("httpx.AsyncClient",)

_CODE = frozenset(
    {"eval", "exec", "compile", "pickle.loads", "pickle.load", "marshal.loads", "dill.loads", "yaml.load"}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where, and what is wrong there."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def placeholders(plugin: Any) -> list[Finding]:
    """Find hooks that can't do their work: empty ones, constants, and those that never ask the venue anything."""
    return [Finding(hook.where, what) for hook in hooks_of(plugin) if (what := _placeholder(hook)) is not None]


def _placeholder(hook: HookSource) -> str | None:
    body = hook.node.body[1:] if ast.get_docstring(hook.node, clean=False) is not None else hook.node.body
    meaningful = [statement for statement in body if not _is_only_talk(statement)]
    if hook.name not in {"start", "stop"}:
        if not meaningful:
            return f"{hook.name}() does nothing"
        last = meaningful[0]
        if len(meaningful) == 1 and isinstance(last, ast.Return) and _is_constant(last.value, hook.source):
            shown = "None" if last.value is None else ast.unparse(last.value)
            return f"{hook.name}() returns {shown} whatever the venue says"
        if len(meaningful) == 1 and isinstance(last, ast.Raise) and last.exc is not None:
            raised = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
            if dotted(raised).rpartition(".")[2] == "NotImplementedError":
                return f"{hook.name}() raises NotImplementedError; leave the hook out instead"
    if isinstance(hook.node, ast.AsyncFunctionDef) and hook.name not in _MAY_BE_STILL and not _asks(hook):
        return f"{hook.name}() awaits nothing: it can't have asked the venue"
    return None


def _is_only_talk(statement: ast.stmt) -> bool:
    """Tell whether a statement is ``pass``, a text or a call of a logger."""
    if isinstance(statement, ast.Pass):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.Call):
        parts = dotted(value.func).lower().split(".")
        return parts[-1] in {"debug", "info", "warning", "error", "exception", "print"} or parts[0] == "warnings"
    return False


def _is_constant(value: ast.expr | None, source: Source) -> bool:
    if value is None or isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        return all(_is_constant(each, source) for each in value.elts)
    if isinstance(value, ast.Dict):
        return all(_is_constant(each, source) for each in value.values)
    if isinstance(value, ast.Call):
        return source.called(value.func) in _EMPTY_MAKERS and all(_is_constant(each, source) for each in value.args)
    return False


def _asks(hook: HookSource) -> bool:
    for node in ast.walk(hook.node):
        if isinstance(node, ast.AsyncWith | ast.AsyncFor):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if isinstance(node, ast.Await):
            awaited = hook.source.called(node.value.func) if isinstance(node.value, ast.Call) else ""
            if awaited != "asyncio.sleep":
                return True
    return False


def floats(sources: Iterable[Source]) -> Iterator[Finding]:
    """Find places where digits are lost: float(), a Decimal of a float, a float field, JSON read with floats."""
    for source in sources:
        for node in ast.walk(source.tree):
            what = _float(source, node)
            if what is not None:
                yield Finding(f"{source.name}:{getattr(node, 'lineno', 0)}", what)


def _float(source: Source, node: ast.AST) -> str | None:
    if isinstance(node, ast.AnnAssign) and any(
        isinstance(part, ast.Name) and part.id == "float" for part in ast.walk(node.annotation)
    ):
        return f"the field {dotted(node.target)} is a float"
    if not isinstance(node, ast.Call):
        return None
    called = source.called(node.func)
    if called == "float":
        return "float(...) loses digits"
    if called in {"decimal.Decimal", "Decimal"} and any(
        isinstance(part, ast.Constant) and isinstance(part.value, float)
        for each in node.args
        for part in ast.walk(each)
    ):
        return "Decimal(...) of a float literal; write it as text"
    if called in {"json.loads", "json.load"} and not any(each.arg == "parse_float" for each in node.keywords):
        return f"{called}(...) makes floats of the venue's numbers; use perpkit.core.transport.wire_json"
    if called.endswith(".json") and isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        return f"{ast.unparse(node)} makes floats of the venue's numbers; use perpkit.core.transport.wire_json"
    return None


def frozen_at_import(sources: Iterable[Source]) -> Iterator[Finding]:
    """Find defaults and class attributes taken from a clock or from chance: they are the same for ever."""
    for source in sources:
        for node in ast.walk(source.tree):
            for value, where in _defaults(node):
                called = _volatile(source, value)
                if called is not None:
                    yield Finding(f"{source.name}:{getattr(value, 'lineno', 0)}", f"{called}() in {where}")


def _defaults(node: ast.AST) -> Iterator[tuple[ast.AST | None, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        name = getattr(node, "name", "a lambda")
        yield from ((each, f"a default argument of {name}") for each in (*node.args.defaults, *node.args.kw_defaults))
    if isinstance(node, ast.ClassDef | ast.Module):
        where = f"an attribute of {node.name}" if isinstance(node, ast.ClassDef) else "the module"
        for statement in node.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign):
                yield statement.value, where


def _volatile(source: Source, value: ast.AST | None) -> str | None:
    if value is None or isinstance(value, ast.Lambda):
        return None
    if isinstance(value, ast.Call) and (called := source.called(value.func)) in _VOLATILE:
        return called
    return next((found for child in ast.iter_child_nodes(value) if (found := _volatile(source, child))), None)


def blocking_calls(sources: Iterable[Source]) -> Iterator[Finding]:
    """Find calls that block the event loop: synchronous HTTP anywhere, and sleeping or running inside ``async def``."""
    for source in sources:
        inside = {
            id(part)
            for node in ast.walk(source.tree)
            if isinstance(node, ast.AsyncFunctionDef)
            for part in ast.walk(node)
        }
        for node in ast.walk(source.tree):
            if not isinstance(node, ast.Call):
                continue
            called = source.called(node.func)
            is_http = called.startswith(_BLOCKING[:5]) and not called.startswith(_BLOCKING_OK)
            if is_http or (id(node) in inside and called.startswith(_BLOCKING[5:])):
                yield Finding(f"{source.name}:{node.lineno}", f"{called}() blocks the event loop")


def code_from_data(sources: Iterable[Source]) -> Iterator[Finding]:
    """Find places where data becomes code."""
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and (called := source.called(node.func)) in _CODE:
                yield Finding(f"{source.name}:{node.lineno}", f"{called}() makes code of data")
