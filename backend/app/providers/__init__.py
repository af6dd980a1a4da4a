"""Transcription and note extraction, each with an online and an offline provider."""
