"""
TLS by Python's own C{ssl} module, for the connections of any endpoint.

L{TLSFactory <echoreply.tls.factory.TLSFactory>} wraps a factory, L{server_context
<echoreply.tls.context.server_context>} makes what it needs of a certificate and its key. The protocol above sees a full
C{ITCPTransport} that half-closes, as TLS 1.3 does: L{TLSTransport <echoreply.tls.transport.TLSTransport>} says how.
"""
