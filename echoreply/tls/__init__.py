"""
TLS by Python's own C{ssl} module, around the connections of any endpoint.

L{TLSServerEndpoint <echoreply.tls.endpoint.TLSServerEndpoint>} wraps an endpoint, L{server_context
<echoreply.tls.context.server_context>} makes what it needs of a certificate and its key. The protocol above sees a full
C{ITCPTransport} that half-closes, as TLS 1.3 does: L{TLSTransport <echoreply.tls.transport.TLSTransport>} says how.
"""
