"""Wire layers of the local exchanges, one package a venue."""
