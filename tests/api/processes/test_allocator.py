"""What a process took once it gives back."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
from api.processes.allocator import lean
if sys.argv[1] == "lean":
    lean()
pieces = [bytearray(9 << 20)]
pieces.pop()  # from now on glibc would keep pieces up to this size in its heap
pieces = [bytearray(4 << 20) if number % 2 else bytes(1000) for number in range(60)]
last = bytes(100_000)  # above them: the heap cannot shrink from its end
del pieces
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def test_large_pieces_are_given_back() -> None:
    """A process that was large for a moment is small again, and was not without."""
    lean, usual = (
        int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)
        for how in ("lean", "usual")
    )
    assert lean < usual - 50
