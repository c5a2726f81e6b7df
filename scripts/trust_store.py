"""Writes the certificates that this machine trusts as a store that Java reads. Runs inside the virtual environment."""

from __future__ import annotations

import ssl
import sys
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from scripts.java import TRUST_STORE_PASSWORD


def trusted_certificates() -> list[x509.Certificate]:
    """Certificates that Python's own TLS trusts here; empty where it has no bundle file."""
    found = (readable(der) for der in ssl.create_default_context().get_ca_certs(binary_form=True))
    return [each for each in found if each is not None]


def readable(der: bytes) -> x509.Certificate | None:
    """A certificate; None for the few old roots that break RFC 5280 and are refused or warned about."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return x509.load_der_x509_certificate(der)
        except (ValueError, Warning):
            return None


def write_store(target: Path) -> int:
    """Write the store and return how many certificates it holds; with none, no file is written."""
    certificates = trusted_certificates()
    if certificates:
        named = [PKCS12Certificate(each, str(number).encode()) for number, each in enumerate(certificates)]
        target.write_bytes(serialize_java_truststore(named, BestAvailableEncryption(TRUST_STORE_PASSWORD.encode())))
    return len(certificates)


if __name__ == "__main__":
    count = write_store(Path(sys.argv[1]))
    print(count or "")
