"""
Twisted protocols on an asyncio event loop's own transports.

Twisted's reactor for asyncio asks the event loop which sockets are ready, and reads and writes them in Python. An event
loop such as uvloop's can read and write them in C. This package makes Twisted use that.

A program uses one of these, and needs no other change:

- L{NativeServerEndpoint <echoreply.native.endpoint.NativeServerEndpoint>}, an ordinary C{IStreamServerEndpoint}, for
  one port on any L{AsyncioSelectorReactor <twisted.internet.asyncioreactor.AsyncioSelectorReactor>};
- L{NativeReactor <echoreply.native.reactor.NativeReactor>}, on which every TCP port is such a port: C{listenTCP},
  adopted sockets, and endpoints of any kind that use them.

A protocol sees a full C{ITCPTransport}. The documentation of L{NativeTransport
<echoreply.native.transport.NativeTransport>} lists the differences from a reactor's own transport.
"""
