"""
A server of these tests' own that says what it is told to, and remembers what it was asked. It knows no exchange: for
that there are the local ones, which are another reading of the contracts and are tried in ``tests/integration``.

Each venue's tests make a ``StubVenue`` of it, with the answers that opening the plugin takes.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from aiohttp import web


@dataclass
class Asked:
    """One request; ``pairs`` are its query as it stood, ``text`` what it carried."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    text: str

    @property
    def query(self) -> dict[str, str]:
        """The query by name, of a name that stands several times the first."""
        return dict(reversed(self.pairs))

    @property
    def body(self) -> Any:
        """What it carried as JSON; None for nothing."""
        return json.loads(self.text) if self.text else None

    @property
    def form(self) -> dict[str, str]:
        """What it carried as a form."""
        return dict(parse_qsl(self.text, keep_blank_values=True, strict_parsing=bool(self.text)))


@dataclass
class Says:
    """One answer. ``hang`` takes the request and never answers; ``drop`` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False


class StubServer:
    """``async with``: then ``say`` what it answers, and read ``asked``. ``prefix`` is not part of a request's path."""

    prefix: ClassVar[str] = ""
    request_type: ClassVar[type[Asked]] = Asked
    host = "127.0.0.1:9"
    """Where it listens; before it is started, a port where nobody does."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self._answers: dict[str, list[Any]] = defaultdict(list)
        self._release = asyncio.Event()

    def say(self, request: str, *answers: Any) -> None:
        """Queue answers for ``METHOD /path``; the last one stays. A callable is asked with the request."""
        self._answers[request] = [each if isinstance(each, Says) or callable(each) else Says(each) for each in answers]

    def requests(self, request: str) -> list[Any]:
        """Return what was asked of one ``METHOD /path``."""
        return [each for each in self.asked if f"{each.method} {each.path}" == request]

    def hear(self, asked: Asked) -> str:
        """Return under which ``METHOD /path`` the answer to a request is found."""
        return f"{asked.method} {asked.path}"

    def unknown(self, asked: Asked) -> Says:
        """Return the venue's refusal of a path that it does not have."""
        raise NotImplementedError

    def add_routes(self, app: web.Application) -> None:
        """Register what is served beside REST; before it, so that it goes first."""

    async def __aenter__(self) -> Any:
        app = web.Application()
        self.add_routes(app)
        app.router.add_route("*", self.prefix + "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"http://{self.host}{self.prefix}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        text = (await request.read()).decode()
        path = request.path.removeprefix(self.prefix)
        asked = self.request_type(request.method, path, list(request.query.items()), dict(request.headers), text)
        self.asked.append(asked)
        queue = self._answers.get(self.hear(asked)) or [self.unknown]
        says = queue[0] if len(queue) == 1 else queue.pop(0)
        if not isinstance(says, Says):
            says = says(asked)
        if says.hang:
            await self._release.wait()
        if says.hang or says.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if isinstance(says.body, str):
            return web.Response(text=says.body, status=says.status, headers=says.headers)
        if says.body is None:
            return web.Response(status=says.status, headers=says.headers)
        return web.json_response(says.body, status=says.status, headers=says.headers)
