"""The vocabulary of Tapedeck and the tape itself. Imports nothing of ours but this package."""
