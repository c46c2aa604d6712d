"""Client certificates: whose one is, and a TLS context that presents it.

No file is left behind: OpenSSL reads the private key from memory that has no name on any disk.
Source: wechatpay-v2 9; failure catalogue F09, K06.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID

from wechatpay.credentials import ClientCertificate


class UnusableCertificate(ValueError):
    """A certificate or key that cannot be read, or the two do not belong together. Holds neither."""


@lru_cache(maxsize=256)
def owner_of(cert_pem: bytes) -> str:
    """The mch_id that a certificate was issued to. Raises UnusableCertificate."""
    try:
        certificate = x509.load_pem_x509_certificate(cert_pem)
    except ValueError:
        raise UnusableCertificate("the certificate cannot be read") from None
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise UnusableCertificate("the certificate does not name one merchant")
    return str(names[0].value)


def present(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Make `context` show `certificate` to whoever asks for one.

    Raises UnusableCertificate, also when the key is locked or of another certificate.
    """
    try:
        with _in_memory(certificate.cert_pem) as cert_file, _in_memory(certificate.key_pem) as key_file:
            # An empty password: without one OpenSSL asks at the terminal for that of a locked key.
            context.load_cert_chain(cert_file, key_file, password="")
    except (ssl.SSLError, ValueError):
        raise UnusableCertificate("certificate and private key cannot be used together") from None


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path under which this process alone can read `content`, gone afterwards."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        with os.fdopen(os.dup(descriptor), "wb") as writing:
            writing.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
