"""The plugin against its local exchange, over real sockets, on one clock that tests move."""
