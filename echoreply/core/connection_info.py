"""Facts about a connection that a reply can show: both addresses, the transport, TLS, and the server's ports."""

from __future__ import annotations

from attrs import define, frozen


@frozen
class Address:
    """
    The address of one end of a connection.

    @ivar host: the IP address, an IPv4-mapped one as IPv4; or the path of a UNIX socket, which is empty for most
        clients.
    @ivar port: the TCP or UDP port; 0 for a UNIX socket.
    """

    host: str
    port: int


@frozen
class TLSDetails:
    """
    The result of a TLS handshake.

    @ivar version: such as C{TLSv1.3}.
    @ivar cipher: the name of the cipher suite in IANA's registry (RFC 8446, B.4), such as C{TLS_AES_128_GCM_SHA256}.
    @ivar server_name: the name in the client's SNI (RFC 6066, 3); empty without one.
    @ivar alpn: the protocol negotiated by ALPN (RFC 7301); empty if none was.
    @ivar client: the subject of the client's certificate in the form of RFC 4514; empty without a certificate.
    """

    version: str
    cipher: str
    server_name: str = ""
    alpn: str = ""
    client: str = ""


@define
class PortNumbers:
    """
    The numbers of the ports that the server listens on, by their transport: the first of each.

    They become known one after the other while the server starts, so this object changes.
    """

    tcp: int | None = None
    tls: int | None = None
    udp: int | None = None


@frozen
class ConnectionInfo:
    """
    The facts about one client's connection.

    @ivar connection: the connection's number, from 1; 0 for a datagram.
    @ivar peer: the client's address.
    @ivar host: the server's address.
    @ivar transport: C{tcp}, C{tls}, C{udp} or C{unix}.
    """

    connection: int
    peer: Address
    host: Address
    transport: str
    tls: TLSDetails | None = None
