"""`python -m api.cli` is `tapedeck`."""

from api.cli.main import main

main()
