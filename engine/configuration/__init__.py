"""What can be configured: sections, their bounds and defaults, and how changes are checked and merged."""
