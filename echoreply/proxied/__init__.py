"""
The PROXY protocol: a proxy says, before anything else, for whom it has connected.

L{ProxiedFactory <echoreply.proxied.factory.ProxiedFactory>} wraps a factory, L{read_header
<echoreply.proxied.header.read_header>} reads what a proxy says.
"""
