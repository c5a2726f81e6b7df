"""Contract 003, monitoring: status, components, signals, executions, the database explorer, holdings.

Bodies stand bare; one file per resource.
"""
