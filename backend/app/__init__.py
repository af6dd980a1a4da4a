"""TherapyBridge: accounts, patients, sessions, audio, transcription and notes for therapists."""
