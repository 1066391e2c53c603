"""What a server needs to know for TLS: its certificate and its key."""

from __future__ import annotations

from pathlib import Path
from ssl import OP_NO_RENEGOTIATION, PROTOCOL_TLS_SERVER, SSLContext, SSLError
from tempfile import NamedTemporaryFile


def server_context(certificate: str, key: str, chain: str = "") -> SSLContext:
    """
    Read the files of a server's certificate.

    TLS 1.2 and 1.3 are spoken, with Python's choice of ciphers: L{ssl}.

    @param certificate: the path of the certificate in PEM, others of its chain may follow in the file.
    @param key: the path of the key, which can be the same.
    @param chain: the path of more certificates of its chain.
    @raise ValueError: they can't be used. The text says which and why, for people.
    """
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.options |= OP_NO_RENEGOTIATION
    load_certificate(context, certificate, key, chain)
    return context


def load_certificate(context: SSLContext, certificate: str, key: str, chain: str = "") -> None:
    """
    Have a context show a certificate: a server's or a client's, as L{server_context} takes it.

    @raise ValueError: it can't be used. The text says which file and why, for people.
    """
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


def read(path: str) -> bytes:
    """
    Read a file that somebody named.

    @raise ValueError: it can't be read. The text says which and why, for people.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def _no_password() -> str:
    # Otherwise OpenSSL would ask the terminal.
    raise ValueError("the key has a password")
