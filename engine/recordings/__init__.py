"""Recordings: bounded, hashed stretches of a source; imports, the recorder, segments, exports."""
