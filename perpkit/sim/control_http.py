"""
The back door over HTTP, for a demo or a test in another process: ``/_control/...``, JSON in and out.

Numbers that are money, prices or sizes go as text. Durations are milliseconds. A browser's page is refused.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from aiohttp import web

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side
from perpkit.sim.control import Control, PricePoint
from perpkit.sim.markets import SystemStatus
from perpkit.sim.orders import RequestRefusedError
from perpkit.sim.plain import plain

PREFIX = "/_control"

Arguments = dict[str, Any]
Action = Callable[[], Any]
Command = Callable[[Control, Arguments], Action]


class _BadArgumentError(ValueError):
    """An argument is missing, unknown or of the wrong kind."""


def add_routes(app: web.Application, control: Control) -> None:
    """Add the back door to a server: ``GET state``, ``accounts/ID``, ``markets/SYMBOL``; ``POST`` for each command."""

    async def state(_request: web.Request) -> web.Response:
        return web.json_response({**control.read_state(), "commands": sorted(COMMANDS)})

    async def account(request: web.Request) -> web.Response:
        return web.json_response(control.read_account(request.match_info["account"]))

    async def market(request: web.Request) -> web.Response:
        return web.json_response(control.read_market(request.match_info["market"]))

    async def command(request: web.Request) -> web.Response:
        name = request.match_info["command"]
        if name not in COMMANDS:
            return _refusal(404, f"there is no command {name}; there are {', '.join(sorted(COMMANDS))}")
        text = await request.text()
        arguments = json.loads(text, parse_float=Decimal) if text else {}
        if not isinstance(arguments, dict):
            return _refusal(400, "the body must be a JSON object of arguments")
        action = COMMANDS[name](control, arguments)
        if arguments:
            return _refusal(400, f"{name} takes no {', '.join(sorted(arguments))}; nothing was done")
        return web.json_response({"result": plain(action())})

    app.router.add_get(f"{PREFIX}/state", _guarded(state))
    app.router.add_get(f"{PREFIX}/accounts/{{account}}", _guarded(account))
    app.router.add_get(f"{PREFIX}/markets/{{market}}", _guarded(market))
    app.router.add_post(f"{PREFIX}/{{command}}", _guarded(command))


def _guarded(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        if "Origin" in request.headers:
            return _refusal(403, "the back door is not for web pages")
        try:
            return await handler(request)
        except (RequestRefusedError, ValueError, InvalidOperation) as exc:
            return _refusal(400, str(exc) or type(exc).__name__)

    return answer


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


_MISSING: Any = object()


def _take(arguments: Arguments, name: str, default: Any = _MISSING) -> Any:
    value = arguments.pop(name, default)
    if value is _MISSING:
        msg = f"argument {name} is missing"
        raise _BadArgumentError(msg)
    return value


def _text(arguments: Arguments, name: str) -> str:
    value = _take(arguments, name)
    if not isinstance(value, str):
        msg = f"{name} must be text, not {value!r}"
        raise _BadArgumentError(msg)
    return value


def _decimal_of(value: Any, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        msg = f"{name} must be a number written as text, not {value!r}"
        raise _BadArgumentError(msg)
    try:
        number = Decimal(value)
    except InvalidOperation as exc:
        msg = f"{name} must be a number written as text, not {value!r}"
        raise _BadArgumentError(msg) from exc
    if not number.is_finite():
        msg = f"{name} must be finite, not {value!r}"
        raise _BadArgumentError(msg)
    return number


def _decimal(arguments: Arguments, name: str) -> Decimal:
    return _decimal_of(_take(arguments, name), name)


def _optional(arguments: Arguments, name: str) -> Decimal | None:
    value = _take(arguments, name, None)
    return None if value is None else _decimal_of(value, name)


def _levels(arguments: Arguments, name: str) -> list[tuple[Decimal, Decimal]]:
    levels = _take(arguments, name, [])
    if not isinstance(levels, list) or not all(isinstance(level, list) and len(level) == 2 for level in levels):
        msg = f"{name} must be a list of [price, size]"
        raise _BadArgumentError(msg)
    return [(_decimal_of(price, f"{name} price"), _decimal_of(size, f"{name} size")) for price, size in levels]


def _duration(arguments: Arguments, name: str) -> timedelta:
    value = _take(arguments, name)
    if isinstance(value, bool) or not isinstance(value, int):
        msg = f"{name} must be whole milliseconds, not {value!r}"
        raise _BadArgumentError(msg)
    return timedelta(milliseconds=value)


def _point(fields: Any) -> PricePoint:
    if not isinstance(fields, dict):
        msg = f"a point of the path must be an object, not {fields!r}"
        raise _BadArgumentError(msg)
    rest = dict(fields)
    point = PricePoint(_duration(rest, "after_ms"), _decimal(rest, "index"), _optional(rest, "mark"))
    if rest:
        msg = f"a point of the path has no {', '.join(sorted(rest))}"
        raise _BadArgumentError(msg)
    return point


def _inject(control: Control, arguments: Arguments) -> Action:
    action, given = _text(arguments, "action"), dict(arguments)
    arguments.clear()  # the fault itself says which of its fields it doesn't know
    return partial(control.inject, action, **given)


COMMANDS: dict[str, Command] = {
    "advance": lambda c, a: partial(c.advance, _duration(a, "by_ms")),
    "place_liquidity": lambda c, a: partial(
        c.place_liquidity, _text(a, "market"), bids=_levels(a, "bids"), asks=_levels(a, "asks")
    ),
    "quote": lambda c, a: partial(
        c.quote,
        _text(a, "market"),
        levels=int(_take(a, "levels", 10)),
        size=_decimal_of(_take(a, "size", "1"), "size"),
        ticks_apart=int(_take(a, "ticks_apart", 1)),
        mid=_optional(a, "mid"),
    ),
    "clear_liquidity": lambda c, a: partial(c.clear_liquidity, _take(a, "market", None)),
    "trade": lambda c, a: partial(c.trade, _text(a, "market"), Side(_text(a, "side").lower()), _decimal(a, "size")),
    "liven": lambda c, a: partial(c.liven, _text(a, "market")),
    "still": lambda c, a: partial(c.still, _take(a, "market", None)),
    "set_price": lambda c, a: partial(
        c.set_price, _text(a, "market"), index=_optional(a, "index"), mark=_optional(a, "mark")
    ),
    "play_prices": lambda c, a: partial(
        c.play_prices, _text(a, "market"), [_point(point) for point in _take(a, "path")]
    ),
    "stop_prices": lambda c, _: c.stop_prices,
    "set_funding_rate": lambda c, a: partial(c.set_funding_rate, _text(a, "market"), _decimal(a, "rate")),
    "set_market_status": lambda c, a: partial(
        c.set_market_status, _text(a, "market"), MarketStatus(_text(a, "status"))
    ),
    "set_system_status": lambda c, a: partial(c.set_system_status, SystemStatus(_text(a, "status"))),
    "settle_market": lambda c, a: partial(c.settle_market, _text(a, "market"), _decimal(a, "price")),
    "deposit": lambda c, a: partial(c.deposit, _text(a, "account"), _decimal(a, "amount")),
    "withdraw": lambda c, a: partial(c.withdraw, _text(a, "account"), _decimal(a, "amount")),
    "liquidate": lambda c, a: partial(c.liquidate, _text(a, "account")),
    "cancel_order": lambda c, a: partial(c.cancel_order, _text(a, "account"), _text(a, "order")),
    "hold_decisions": lambda c, _: c.hold_decisions,
    "release_decisions": lambda c, _: c.release_decisions,
    "inject": _inject,
    "clear_faults": lambda c, _: c.clear_faults,
    "expire_tokens": lambda c, _: c.expire_tokens,
    "check_invariants": lambda c, _: c.check_invariants,
}
"""What may be posted, by name: each takes its arguments out of the object and returns what is then to be done."""
