"""Research on finished sessions and recordings: metrics, reports, verification, forks, sweeps."""
