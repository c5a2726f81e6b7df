"""Named maxima of the indicators' fixed-size state."""

# Rows that a row window may span. A window outside 1..WINDOW_MAX gives NaN for ever: it never becomes ready.
WINDOW_MAX = 1024

# Buckets of a time window: the open one and CLOSED_BUCKETS closed ones. A window is resolved to 1/60 of its length.
TIME_BUCKETS = 60
CLOSED_BUCKETS = 59
