"""Contract 004, the control panel: system mode and life cycle, configuration sections, instruments, metrics.

Bodies stand bare; one file per resource.
"""
