"""What the last look at the file of the configuration came to, for health to tell."""

from __future__ import annotations

from dataclasses import dataclass

from api.masking import masked_text

DETAIL_MAX = 400


@dataclass(slots=True)
class ConfigFile:
    """How this process found it."""

    status: str = "ok"  # or warn, failed: as of a component
    detail: str = "no file is looked at"

    def tell(self, status: str, detail: str) -> None:
        """It is so from now on."""
        self.status, self.detail = status, masked_text(detail)[:DETAIL_MAX]
