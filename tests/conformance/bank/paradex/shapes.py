"""The Paradex plugin, made so that a bug of its stream or of its requests is a few lines."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from tests.conformance.bank.shapes import stream_plugin, wire_plugin

StreamPlugin = stream_plugin(ParadexVenue, __name__)
WirePlugin = wire_plugin(ParadexVenue, __name__)
