"""Recordings: what kind of file one is, how it arrives, where it is kept, how it is read back."""
