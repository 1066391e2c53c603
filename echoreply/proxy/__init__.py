"""
The PROXY protocol: the header in which a proxy names the client whose connection it forwards.

A server wraps its factory in a L{ProxyFactory <echoreply.proxy.factory.ProxyFactory>}; L{parse_header
<echoreply.proxy.header.parse_header>} parses the header.
"""
