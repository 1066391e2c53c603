"""Sockets, listening addresses, timers and limits of the system: what lies between it and the protocols."""
