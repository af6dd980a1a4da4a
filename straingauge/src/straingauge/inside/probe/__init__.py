"""The probe that a service stack starts in a service, see `sitecustomize`.

This folder is put on the PYTHONPATH of the service, and the folder of its sockets into `FOLDER`.
"""

FOLDER = "STRAINGAUGE_PROBE"
