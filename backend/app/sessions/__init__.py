"""Therapy sessions: list, detail, upload, audio and status."""
