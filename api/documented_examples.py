"""Examples of requests and answers for the API's description, by method and path."""

from __future__ import annotations

from typing import Any

SESSION = "exec_20251118_150123_xyz789"
FILL = {
    "session": SESSION,
    "strategy": "pump_v2",
    "symbol": "BTC_USDT",
    "lane": 0,
    "order": 1,
    "side": "buy",
    "price": 50250.5,
    "quantity": 0.0199,
    "fee": 0.9999,
    "realized": 0.0,
    "position": 0.0199,
    "cash": 8999.0,
    "maker": False,
    "code": "ENTRY",
    "time": "2025-11-18T15:02:11.204Z",
    "ordinal": 0,
    "sequence": 4711,
    "index": 0,
    "input": 18250,
}
COMMAND = {"session": SESSION, "changed": True}
INSTRUMENT = {
    "id": 7,
    "symbol": "CHK_USDT",
    "name": "Example coin",
    "exchange": "mexc",
    "type": "crypto",
    "base": "CHK",
    "quote": "USDT",
    "price_step": 0.0001,
    "quantity_step": 0.1,
    "notional_min": 5.0,
    "maker_fee_ratio": 0.0,
    "taker_fee_ratio": 0.0005,
    "primary_source": "",
    "status": "active",
    "updated_at": "2025-11-18T12:00:00Z",
}
STRATEGY = {
    "id": "quick-crossings-1",
    "name": "Quick crossings",
    "type": "ema_cross",
    "status": "inactive",
    "params": {"symbols": ["BTC_USDT"], "timeframe": "5m", "fast": 20},
    "direction": "both",
    "category": "trend",
    "tags": ["trend", "moving average"],
    "description": "",
    "user": "local",
    "created_at": "2025-11-18T12:00:00Z",
    "updated_at": "2025-11-18T12:00:00Z",
}
BACKTEST = "01kb9x4c6s8e3d5r7t9v1w3y5z"
TASKS = {
    "running_count": 1,
    "queued_count": 1,
    "running_tasks": [
        {
            "task_id": BACKTEST,
            "task_type": "backtest",
            "estimated_cpu_cores": 1.0,
            "estimated_ram_gb": 0.5,
            "description": "Running backtest for BTC_USDT...",
            "progress": 0.4,
            "user": "trader",
            "worker": "host-4711",
            "started_at": "2025-11-18T15:02:11Z",
        }
    ],
    "queued_tasks": [
        {
            "task_id": "01kb9x4c6s8e3d5r7t9v1w3y60",
            "task_type": "backtest",
            "queue_position": 1,
            "estimated_cpu_cores": 1.0,
            "estimated_ram_gb": 0.5,
            "queued_at": "2025-11-18T15:02:12Z",
            "description": "Running backtest for ETH_USDT...",
            "user": "trader",
        }
    ],
}

# bodies of requests
EXAMPLES: dict[str, Any] = {
    "POST /api/auth/login": {"username": "admin", "password": "as `tapedeck up` printed where to find it"},
    "POST /sessions/start": {
        "session_type": "paper",
        "symbols": ["BTC_USDT", "ETH_USDT"],
        "strategy_config": {"strategies": ["pump_v2", "dump_v2"]},
        "config": {
            "budget": {"global_cap": 1000, "allocations": {"pump_v2": 60, "dump_v2": 40}},
            "stop_loss_percent": 5.0,
            "take_profit_percent": 10.0,
            "max_position_size": 100,
        },
        "idempotent": True,
    },
    "POST /sessions/stop": {"session_id": SESSION},
    "POST /api/instruments": {"symbol": "CHK_USDT", "name": "Example coin", "exchange": "mexc", "type": "crypto"},
    "PUT /api/instruments/{instrument_id}": {"name": "Example coin", "taker_fee_ratio": 0.0005},
    "POST /api/strategies": {
        "name": "Quick crossings",
        "type": "ema_cross",
        "params": {"symbols": ["BTC_USDT"], "timeframe": "5m", "fast": 20},
    },
    "PUT /api/strategies/{strategy_id}": {"name": "Quicker crossings", "params": {"fast": 10}},
    "POST /api/backtests/run": {
        "strategy": "ema_cross",
        "symbol": "BTC_USDT",
        "start_date": "2025-01-01T00:00:00Z",
        "end_date": "2025-01-15T00:00:00Z",
        "initial_capital": 10_000.0,
        "params": {"fast": 50, "slow": 200, "position_size": 0.1, "stop_loss_pct": 0.02},
    },
    "POST /api/jobs/sweep": {
        "strategy": "ema_cross",
        "symbol": "BTC_USDT",
        "start_date": "2025-01-01T00:00:00Z",
        "end_date": "2025-01-15T00:00:00Z",
        "grid": {"fast": [10, 20, 50], "slow": [100, 200]},
        "objective": "sharpe",
    },
    "POST /api/jobs/montecarlo": {"session": BACKTEST, "simulations": 1_000, "method": "returns", "seed": 1},
    "POST /api/keys": {
        "provider_id": "binance",
        "environment": "testnet",
        "api_key": "the key as the exchange gave it",
        "api_secret": "its secret",
        "label": "My account for tests",
    },
    "PUT /api/keys/{api_key_id}": {"label": "My old account for tests"},
    "PUT /api/v1/config": {"transformer": {"epochs": 200, "learningRate": 0.00005}},
    "POST /api/v1/config/validate": {"transformer": {"epochs": 50, "learningRate": 0.0001}},
    "POST /api/v1/config/templates": {
        "name": "My Config",
        "description": "Few epochs for EURUSD",
        "config": {"transformer": {"epochs": 50}},
    },
    "PUT /api/config/{section}": {"maxPositionSize": 0.01},
    "POST /api/config/import": {"content": "risk:\n  maxPositionSize: 0.01\n", "format": "yaml"},
    "POST /api/sessions": {
        "mode": "backtest",
        "recording": "rec_01hf",
        "strategies": [{"strategy": "ema_cross", "params": {"fast": 50, "slow": 200}}],
        "limits": {"cash": 10_000, "global_cap": 10_000, "stop_loss_ratio": 0.03},
        "seed": 1,
    },
    "POST /api/sessions/{session}/stop": {"close_positions": True},
    "POST /api/sessions/{session}/halt": {"strategy": "pump_v2", "symbol": "BTC_USDT", "halted": True},
    "POST /api/sessions/{session}/code": {"code_hash": "719b108db20544a48d0023b4d123de08"},
    "POST /api/sessions/{session}/orders": {
        "symbol": "BTC_USDT",
        "side": "buy",
        "quantity": 0.01,
        "kind": "limit",
        "price": 50_000.0,
        "time_in_force": "GTC",
    },
    "POST /api/sessions/{session}/fork": {"limits": {"stop_loss_ratio": 0.03}, "name": "3 % stop"},
    "POST /api/auth/refresh": {"refresh_token": "as the login gave it"},
    "POST /api/db/query": {"query": "SELECT symbol, sum(pnl) AS pnl FROM trades GROUP BY symbol"},
    "POST /api/executions": {"symbol": "BTC_USDT", "side": "buy", "quantity": 0.01, "session_id": SESSION},
    "POST /api/infer/forecast/nbeats": {"symbol": "BTC_USDT", "history": [50_100.0, 50_250.5], "horizon": 5},
    "POST /api/analyze": {"text": "A calm day with rising prices."},
    "POST /predict": {"text": "A calm day with rising prices."},
    "POST /api/predict": {"text": "A calm day with rising prices."},
    "POST /api/signals/filter": {"symbol": "BTC_USDT", "minScore": 0.5, "since": "2025-11-18T15:00:00Z", "limit": 50},
    "POST /api/training/start": {"symbol": "BTC_USDT", "model": "nbeats"},
    "POST /api/config/export": {"format": "yaml"},
    "POST /api/system/mode": {"mode": "paper"},
    "POST /api/system/start": {},
    "POST /api/system/stop": {},
    "POST /api/system/restart": {},
    "POST /api/models/train": {"symbol": "BTC_USDT", "timeframe": "1h", "n_steps_ahead": 300, "days_history": 30},
    "POST /api/models/deploy": {"model_name": "BTC_USDT_1h"},
    "POST /api/v1/backtest/run": {
        "symbol": "EURUSD",
        "timeframe": "1h",
        "bars": 50_000,
        "realisticMode": True,
        "config": {"initialBalance": 10_000.0, "leverage": 30, "riskPerTrade": 0.02},
        "strategy": "ema_cross",
        "monteCarlo": True,
    },
    "POST /api/v1/backtest/compare": {"resultIds": [BACKTEST, "01kb9x4c6s8e3d5r7t9v1w3y60"]},
    "POST /api/v1/training/start": {"symbols": ["EURUSD"], "timeframe": "1h", "bars": 50_000, "epochs": 100},
    "POST /api/v1/walkforward/run": {
        "symbol": "EURUSD",
        "timeframe": "1h",
        "trainWindowDays": 180,
        "testWindowDays": 30,
        "stepSizeDays": 30,
    },
}

# answers
RESPONSES: dict[str, Any] = {
    "GET /api/strategies": {
        "type": "response",
        "data": {
            "strategies": [
                {
                    "id": "pump_v2",
                    "strategy_name": "Pump Detection v2",
                    "description": "Rise of the time-weighted average price with a volume surge that many orders make",
                    "direction": "long",
                    "enabled": True,
                    "category": "momentum",
                    "tags": ["pump", "velocity"],
                    "created_at": "2025-11-18T12:00:00Z",
                    "updated_at": "2025-11-18T12:00:00Z",
                    "parameters": [],
                    "kind": "pump_v2",
                    "params": {},
                }
            ]
        },
    },
    "GET /api/data-collection/sessions": {
        "sessions": [
            {
                "session_id": "rec_01hf",
                "symbols": ["BTC_USDT", "ETH_USDT"],
                "data_types": ["tick_prices", "orderbook"],
                "status": "completed",
                "start_time": "2025-11-18T12:05:30Z",
                "end_time": "2025-11-18T13:05:30Z",
                "records_collected": 125000,
                "duration": "1h",
                "source": "simulated",
                "description": "an hour of the simulated market",
            }
        ],
        "total_count": 10,
        "limit": 50,
    },
    "POST /api/backtests/run": {
        "status": "queued",
        "backtest_id": BACKTEST,
        "message": "Backtest queued. Position in queue: 1",
        "task_id": BACKTEST,
        "queue_position": 1,
    },
    "GET /api/system/queue": TASKS,
    "GET /symbols": ["BTC_USDT", "ETH_USDT"],
    "POST /sessions/start": {
        "type": "response",
        "data": {
            "status": "session_started",
            "data": {"session_id": SESSION, "session_type": "paper", "symbols": ["BTC_USDT", "ETH_USDT"]},
        },
    },
    "POST /sessions/stop": {
        "type": "response",
        "data": {"status": "session_stopped", "data": {"session_id": SESSION}},
    },
    "GET /api/market/data": [
        {
            "timestamp": "2025-01-01T00:00:00Z",
            "open": 2300.5,
            "high": 2350.75,
            "low": 2280.0,
            "close": 2345.25,
            "volume": 15234.56,
        }
    ],
    "GET /api/market/symbols": {"symbols": ["BTC_USDT", "ETH_USDT", "SOL_USDT"], "asset_type": "crypto"},
    "GET /api/sessions/{session}/fills": {
        "rows": [FILL],
        "total": 1,
        "limit": 100,
        "offset": 0,
        "next_offset": None,
    },
    "GET /api/instruments": [INSTRUMENT],
    "GET /api/instruments/{instrument_id}": INSTRUMENT,
    "POST /api/instruments": INSTRUMENT,
    "PUT /api/instruments/{instrument_id}": INSTRUMENT,
    "DELETE /api/instruments/{instrument_id}": INSTRUMENT | {"status": "deleted"},
    "GET /api/strategies/{strategy_id}": STRATEGY,
    "POST /api/strategies": STRATEGY,
    "PUT /api/strategies/{strategy_id}": STRATEGY,
    "DELETE /api/strategies/{strategy_id}": STRATEGY | {"status": "deleted"},
    "POST /api/strategies/{strategy_id}/activate": STRATEGY | {"status": "active"},
    "POST /api/strategies/{strategy_id}/deactivate": STRATEGY,
    "POST /api/sessions": COMMAND,
    "POST /api/sessions/{session}/stop": COMMAND,
    "POST /api/sessions/{session}/orders": COMMAND,
    "POST /api/sessions/{session}/verify": {
        "session": SESSION,
        "equal": True,
        "decision_hash": "5f0c…",
        "held_hash": "5f0c…",
        "inputs": 1000000,
        "rows": 1873,
        "difference": None,
        "detail": "",
    },
}
