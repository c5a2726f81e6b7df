"""Feeds: market rows out of files and of a simulated market, as chunks of packed rows, without a tape or a clock."""
