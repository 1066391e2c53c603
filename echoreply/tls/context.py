"""SSL contexts of servers: the certificate and key, and the client certificates that are accepted."""

from __future__ import annotations

from collections.abc import Sequence
from ssl import (
    CERT_REQUIRED,
    OP_CIPHER_SERVER_PREFERENCE,
    OP_NO_RENEGOTIATION,
    PROTOCOL_TLS_SERVER,
    SSLContext,
    SSLError,
    SSLObject,
    TLSVersion,
)
from tempfile import NamedTemporaryFile

from echoreply.net.files import read


class ServerSession(SSLObject):
    """
    A server's side of a connection.

    @ivar server_name: the server name that the client has sent (SNI, RFC 6066, 3); C{None} if it has sent none.
    """

    server_name: str | None = None


def _keep_server_name(session: SSLObject, name: str | None, _context: SSLContext) -> None:
    # Contexts also serve plain sockets, whose sessions are of another class.
    if isinstance(session, ServerSession):
        session.server_name = name


def server_context(
    certificate: str, key: str = "", chain: str = "", *, client_ca: str = "", alpn: Sequence[str] = ()
) -> SSLContext:
    """
    Return a context with a server's certificate and key, which are read from files.

    It supports TLS 1.2 and 1.3, with Python's choice of ciphers (L{ssl}), in the client's order of preference: it is
    the client whose TLS is tested. The context's sessions are L{ServerSession}s.

    @param certificate: the path of the certificate in PEM; others of its chain may follow in the file.
    @param key: the path of the key; if empty, the key is in the certificate's file.
    @param chain: the path of more certificates of its chain.
    @param client_ca: the path of authorities' certificates. If it is given, clients need a certificate that one of them
        has signed.
    @param alpn: the protocols to choose from, the best first: RFC 7301. A client that offers none of them gets none.
    @raise ValueError: a file can't be used. The text names it and the reason, for people.
    """
    # Imported here, since it takes ten megabytes and clients do not need it.
    from echoreply.tls.certificate import check_dates

    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = TLSVersion.TLSv1_2
    context.options |= OP_NO_RENEGOTIATION
    context.options &= ~OP_CIPHER_SERVER_PREFERENCE
    context.sslobject_class = ServerSession
    context.sni_callback = _keep_server_name
    load_certificate(context, certificate, key, chain)
    for path in filter(None, (certificate, chain)):
        check_dates(read(path), path)
    if client_ca:
        read(client_ca)
        try:
            context.load_verify_locations(client_ca)
        except SSLError:
            raise ValueError(f"{client_ca} holds no certificate in PEM") from None
        context.verify_mode = CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def context_of_pem(pem: bytes, *, client_ca: str = "", alpn: Sequence[str] = ()) -> SSLContext:
    """
    Return a context as L{server_context} does, for a certificate and its key that are in memory.

    @raise ValueError: C{client_ca} can't be used.
    """
    # Python loads them from files only.
    with NamedTemporaryFile("wb") as file:
        file.write(pem)
        file.flush()
        return server_context(file.name, client_ca=client_ca, alpn=alpn)


def load_certificate(context: SSLContext, certificate: str, key: str = "", chain: str = "") -> None:
    """
    Load a server's or a client's certificate into a context. The parameters are those of L{server_context}.

    @raise ValueError: a file can't be used. The text names it and the reason, for people.
    """
    key = key or certificate
    texts = {path: read(path) for path in (certificate, key, chain) if path}
    try:
        with NamedTemporaryFile("wb") as whole:
            if chain:
                # OpenSSL reads the whole chain from one file.
                whole.write(texts[certificate] + b"\n" + texts[chain])
                whole.flush()
            context.load_cert_chain(whole.name if chain else certificate, key, _no_password)
    except SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key} is not the key of the certificate in {certificate}") from None
        raise ValueError(f"{certificate} and {key} hold no certificate and its key in PEM") from None


def _no_password() -> str:
    # Without this, OpenSSL would ask for a password on the terminal.
    raise ValueError("the key has a password")
