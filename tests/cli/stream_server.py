"""A WebSocket server for the toy venue: it acknowledges, refuses or keeps silent, as told for each topic."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web


@asynccontextmanager
async def stream_server(**manners: str) -> AsyncIterator[str]:
    """
    Serve until the block ends; yields the address.

    Args:
        manners: For each topic ``silent`` or ``refused``; others are acknowledged, and ``book`` sends a snapshot.
    """

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            said = json.loads(message.data)
            topic = said.get("subscribe")
            manner = manners.get(topic or "", "ok")
            if topic is None or manner == "silent":
                continue
            if manner == "refused":
                await socket.send_json({"refused": said["id"], "topic": topic, "why": "this key may not follow orders"})
                continue
            await socket.send_json({"ack": said["id"], "topic": topic})
            if topic == "book":
                await socket.send_json({"number": 1, "bids": [["99.5", "1"]], "asks": [["100.5", "2"]]})
        return socket

    app = web.Application()
    app.router.add_get("/ws", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/ws"
    finally:
        await runner.cleanup()
