"""The seal: a chain of hashes over the tape, kept outside its store, by which damage is noticed before a start."""

from events.seal.check import CheckReport, check
from events.seal.files import create
from events.seal.sealer import Sealer, SealSettings

__all__ = ["CheckReport", "SealSettings", "Sealer", "check", "create"]
