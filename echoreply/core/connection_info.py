"""Who is answered, and how they have come: what a reply may tell of it."""

from __future__ import annotations

from attrs import define, frozen


@frozen
class Address:
    """
    An end of a connection.

    @ivar host: the IP address, an IPv4-mapped one as IPv4; of a UNIX socket its path, which clients seldom have.
    @ivar port: 0 for a UNIX socket.
    """

    host: str
    port: int


@frozen
class TLSDetails:
    """
    What a handshake has led to.

    @ivar version: such as C{TLSv1.3}.
    @ivar cipher: the name of the cipher suite in IANA's registry (RFC 8446, B.4), such as C{TLS_AES_128_GCM_SHA256}.
    @ivar server_name: whom the client has asked for (RFC 6066, 3); empty if it has not.
    @ivar alpn: the protocol that both have agreed on (RFC 7301); empty if they have not.
    @ivar client: whom the client's certificate names, as RFC 4514 writes it; empty if it has shown none.
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

    @ivar tcp: nothing if there is none; so are the others.
    """

    tcp: int | None = None
    tls: int | None = None
    udp: int | None = None


@frozen
class ConnectionInfo:
    """
    How a client has come.

    @ivar connection: its number, from 1; 0 for a datagram.
    @ivar peer: the client's address.
    @ivar host: our own.
    @ivar transport: C{tcp}, C{tls}, C{udp} or C{unix}.
    """

    connection: int
    peer: Address
    host: Address
    transport: str
    tls: TLSDetails | None = None
