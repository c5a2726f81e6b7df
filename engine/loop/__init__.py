"""The decision loop: one compiled loop for every mode."""
