"""Observers of the server: the interface that they implement, and the log, the totals and the tables that do."""
