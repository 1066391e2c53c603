"""A server in several processes: a supervisor and worker processes, which accept clients on the same addresses."""
