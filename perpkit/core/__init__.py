"""The venue-neutral core: models, hooks, transport, streams. It knows no venue."""
