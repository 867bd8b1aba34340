"""
Bytes in, bytes out. This layer knows HTTP, WebSocket frames and JSON; no venue and no meaning.

====================  =================================================================================
``wire_json``         bytes to typed structs with exact Decimals, and back; the only JSON module here
``redact``            keeps keys, tokens and signatures out of logs, errors and recordings
``ratelimit``         named quotas, shared between clients of one address or one account
``retry``, ``backoff``  what may be repeated, and how long to wait before it is
``http``              one pinned, verified, pooled HTTP client
``ws``                one WebSocket connection; reconnecting is the stream engine's
``recorder``          the seam through which every request, reply and frame can be watched
====================  =================================================================================
"""
