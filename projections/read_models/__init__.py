"""One file per read model: its tables, what an event does to them, its queries."""
