"""The server: from its options to a running service, in one process or in several (C{workers})."""
