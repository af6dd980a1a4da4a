"""Results: the JSON file of a run, and of a session of several runs.

`format` reads, writes and validates the files; `assembly` makes their content from measurements.
"""
