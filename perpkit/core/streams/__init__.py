"""Streams: what plugins supply (``protocol``), and the engine that runs them."""
