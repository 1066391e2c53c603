"""A server in several processes: a supervisor starts worker processes, which accept clients on the same addresses."""
