"""Sockets, listening addresses, timers and system limits: the layer between the operating system and the protocols."""
