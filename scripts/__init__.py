"""What `make` calls before anything is installed: standard library only, nothing of the four packages."""
