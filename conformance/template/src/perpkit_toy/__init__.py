"""
Toy, as a perpkit venue. The entry point loads the plugin from ``perpkit_toy.venue``.

Importing this package alone does no I/O and imports nothing.
"""
