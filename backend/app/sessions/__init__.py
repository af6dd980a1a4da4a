"""Therapy sessions: list, detail, upload, audio, and the states they go through."""
