"""Sources that sessions can tail: what a source is made of, its run into a recording, and who holds it."""
