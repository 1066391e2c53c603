"""
TLS by Python's own C{ssl} module, on the connections of any endpoint.

A server wraps its factory in a L{TLSFactory <echoreply.tls.factory.TLSFactory>}, with a context that L{server_context
<echoreply.tls.context.server_context>} makes of its certificate. A client wraps its endpoint in a L{TLSClientEndpoint
<echoreply.tls.client.TLSClientEndpoint>}. The protocol above has a full C{ITCPTransport}, a L{TLSTransport
<echoreply.tls.transport.TLSTransport>}, which half-closes as TLS 1.3 does.
"""
