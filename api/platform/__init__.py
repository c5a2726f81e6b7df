"""Contract 001, the platform: keys, market data, models, predictions, backtests, strategies, resources, portfolio.

Bodies stand bare; one file per resource.
"""
