"""
The PROXY protocol: a proxy says, before anything else, for whom it has connected.

L{ProxyFactory <echoreply.proxy.factory.ProxyFactory>} wraps a factory, L{read_header
<echoreply.proxy.header.read_header>} reads what a proxy says.
"""
