"""
The reply server's logic without a network: bytes in, bytes out.

Messages and replies, and what else needs no I/O: parsers, quoting, reasons, defaults. No Twisted, no clock, no sockets.
"""
