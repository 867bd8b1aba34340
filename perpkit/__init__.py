"""perpkit: one typed, asynchronous interface to perpetual-futures venues."""
