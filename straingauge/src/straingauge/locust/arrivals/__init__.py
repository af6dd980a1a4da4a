"""Load shapes that set an arrival rate."""
