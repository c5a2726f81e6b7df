"""Contract 002, research, under /api/v1: jobs, backtests, walk-forward, configuration, models, logs.

Bodies stand in the envelope of `envelope.py`; one file per resource.
"""
