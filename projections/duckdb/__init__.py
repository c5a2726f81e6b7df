"""The DuckDB read model of one API process: a file by slot, built from the tape, published for others to start from."""
