"""File formats, one file each. `engine.feeds.registry` lists them in the order in which they are tried."""
