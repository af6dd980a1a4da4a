"""Speech to text, and text to notes: one small interface, an online and an offline kind of each."""
