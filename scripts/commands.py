"""Runs other programs, keeps what they said, and turns their failures into one line that says what to do."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scripts.console import Trouble

LINES_SHOWN_MAX = 12

# What a program says when it fails -> what that means and what to do about it. The first match counts.
DIAGNOSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|Errno 28|Disk quota exceeded",
        "the disk is full. Free space (df -h shows where) and run the same again",
    ),
    (
        r"DO NOT MATCH THE HASHES|Checksum validation failed",
        "a downloaded file is not the pinned one. Run again; if it stays, the registry or a proxy changes files",
    ),
    (
        r"certificate verify failed|CERTIFICATE_VERIFY_FAILED|PKIX path building failed",
        "the registry's certificate is not trusted here. A proxy? Put its certificate into the machine's store",
    ),
    (
        r"ensurepip is not available|No module named '?(venv|ensurepip)",
        "this Python cannot make virtual environments. Debian, Ubuntu: apt-get install python3-venv",
    ),
    (
        r"name resolution|Name or service not known|Unknown host|NewConnectionError|Connection refused|timed out",
        "the package registry cannot be reached. Check network and proxy settings and run the same again",
    ),
    (
        r"No matching distribution found|has no matching|not a supported wheel",
        "a pinned package has no build for this Python and machine. Python 3.11 to 3.13 on Linux or macOS is supported",
    ),
    (r"Permission denied|Errno 13", "a folder cannot be written. Check who owns it"),
)


def diagnose(output: str) -> str | None:
    """The line to show for what a program said, or None for what is not known."""
    for pattern, advice in DIAGNOSES:
        if re.search(pattern, output):
            return advice
    return None


def run(
    command: Sequence[str | Path],
    what: str,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a program to its end and return all it said.

    Raises:
        Trouble: it could not be started or failed; with the diagnosis, or else its last lines.
    """
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    except OSError as error:
        raise Trouble(f"{what}: cannot start {command[0]}: {error.strerror}") from error
    output = _read(process, on_line)
    if process.returncode != 0:
        raise Trouble(failure_text(what, process.returncode, output))
    return output


def failure_text(what: str, code: int, output: str) -> str:
    """One line with the diagnosis; the program's last lines where there is none."""
    advice = diagnose(output)
    if advice is not None:
        return f"{what}: {advice}"
    last = "\n".join(f"    {line}" for line in output.strip().splitlines()[-LINES_SHOWN_MAX:])
    return f"{what}: ended with exit code {code}. It said:\n{last}"


def _read(process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> str:
    lines: list[str] = []
    with process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                if on_line is not None:
                    on_line(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    return "".join(lines)
