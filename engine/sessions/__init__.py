"""Sessions: the desk, the life of one, its runner, recovery, and the host that claims and runs them."""
