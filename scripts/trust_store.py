"""Writes the certificates that this machine trusts as a store that Java reads. Runs inside the virtual environment."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

from scripts.java import TRUST_STORE_PASSWORD


def trusted_certificates() -> list[x509.Certificate]:
    """Certificates of the bundle that Python's own TLS uses here; empty where there is no bundle file."""
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if not bundle or not Path(bundle).is_file():
        return []
    return x509.load_pem_x509_certificates(Path(bundle).read_bytes())


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
