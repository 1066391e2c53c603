"""
Twisted protocols on an asyncio event loop's own transports.

Twisted's reactor for asyncio asks the event loop which sockets are ready, and reads and writes them itself. An event
loop such as uvloop's does that, too, in C: under this package, it does it for Twisted.

A program has two ways to it, and changes nothing else:

- L{NativeServerEndpoint <echoreply.native.endpoint.NativeServerEndpoint>}, an ordinary C{IStreamServerEndpoint}, for
  one port on any L{AsyncioSelectorReactor <twisted.internet.asyncioreactor.AsyncioSelectorReactor>};
- L{NativeReactor <echoreply.native.reactor.NativeReactor>}, on which every TCP port is such a port: C{listenTCP},
  adopted sockets, and endpoints of any kind that end up there.

What a protocol sees is a full C{ITCPTransport}; L{NativeTransport <echoreply.native.transport.NativeTransport>} says
where it differs from that of a reactor.
"""
