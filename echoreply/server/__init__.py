"""The server: from validated options to a running service, in one process or in several (`workers`)."""
