"""Streaming indicators for strategy kernels, one file each: a state dtype and compiled functions.

- A zeroed record is a fresh indicator. All state is in it: a copy of its bytes is a copy of the indicator, and the same
  values give the same bytes however they are cut into calls. Records nest in a kernel's own state dtype.
- `<name>_update(state, ...)` takes one row in O(1) amortised and gives the value, NaN until `<name>_ready(state, ...)`.
  A tuple is given where the indicator has several lines.
- The window is given with each call and stays the same for the life of a state. Row windows hold 1..`WINDOW_MAX` rows;
  a window out of bounds gives NaN and is never ready. Time windows (`_ns`) are cut into `TIME_BUCKETS` buckets.
- Inputs are finite (frames refuse NaN). The functions reference only each other, int constants, numba-typed arguments
  and `math`, so a generated loop can inline their source.
"""
