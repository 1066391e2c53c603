"""Observers of the server: their interface, and those for the log, the totals, and the table of connections."""
