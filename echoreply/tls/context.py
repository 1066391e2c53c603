"""What a server needs to know for TLS: its certificate and its key, and whose certificates it takes."""

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

from echoreply.core.files import read


class ServerSession(SSLObject):
    """
    A server's side of a connection.

    @ivar asked_for: the server that the client wants to speak to, if it has said so: RFC 6066, 3.
    """

    asked_for: str | None = None


def _note_name(session: SSLObject, name: str | None, _context: SSLContext) -> None:
    # A context serves sockets, too, whose sessions are others.
    if isinstance(session, ServerSession):
        session.asked_for = name


def server_context(
    certificate: str, key: str = "", chain: str = "", *, client_ca: str = "", alpn: Sequence[str] = ()
) -> SSLContext:
    """
    Read the files of a server's certificate.

    TLS 1.2 and 1.3 are spoken, with Python's choice of ciphers (L{ssl}), of which the client's first is taken: it is
    the one whose TLS is looked at. Its sessions are L{ServerSession}s.

    @param certificate: the path of the certificate in PEM, others of its chain may follow in the file.
    @param key: the path of the key; if empty, the same.
    @param chain: the path of more certificates of its chain.
    @param client_ca: the path of the certificates of which one must have signed that of a client, if it needs one.
    @param alpn: the protocols to choose from, the best first: RFC 7301. A client that wants none of them gets none.
    @raise ValueError: they can't be used. The text says which and why, for people.
    """
    # What a client has no use for, and takes ten megabytes.
    from echoreply.tls.certificate import check_dates

    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.minimum_version = TLSVersion.TLSv1_2
    context.options |= OP_NO_RENEGOTIATION
    context.options &= ~OP_CIPHER_SERVER_PREFERENCE
    context.sslobject_class = ServerSession
    context.sni_callback = _note_name
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
    Make the same of a certificate and its key that are in no file.

    @raise ValueError: C{client_ca} can't be used.
    """
    # Python takes them from files only.
    with NamedTemporaryFile("wb") as file:
        file.write(pem)
        file.flush()
        return server_context(file.name, client_ca=client_ca, alpn=alpn)


def load_certificate(context: SSLContext, certificate: str, key: str = "", chain: str = "") -> None:
    """
    Have a context show a certificate: a server's or a client's, as L{server_context} takes it.

    @raise ValueError: it can't be used. The text says which file and why, for people.
    """
    key = key or certificate
    texts = {path: read(path) for path in (certificate, key, chain) if path}
    try:
        with NamedTemporaryFile("wb") as whole:
            if chain:
                # It takes the whole chain from one file.
                whole.write(texts[certificate] + b"\n" + texts[chain])
                whole.flush()
            context.load_cert_chain(whole.name if chain else certificate, key, _no_password)
    except SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key} is not the key of the certificate in {certificate}") from None
        raise ValueError(f"{certificate} and {key} hold no certificate and its key in PEM") from None


def _no_password() -> str:
    # Otherwise OpenSSL would ask the terminal.
    raise ValueError("the key has a password")
