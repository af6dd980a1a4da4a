"""The scene of a bench: nginx on one core, generators on another, and a file to upload."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import payloads
from case import Bench
from generators import RunArguments
from nginx import serving


@contextmanager
def prepared(cores: tuple[int, int], seconds: int) -> Iterator[Bench]:
    """Start nginx, and stop it when the block ends.

    Args:
        cores: The cores of nginx and of the generators.
        seconds: Length of each measurement.
    """
    target_core, core = cores
    with tempfile.TemporaryDirectory(prefix="straingauge-bench-") as name:
        folder = Path(name)
        (folder / "upload.bin").write_bytes(secrets.token_bytes(payloads.UPLOAD_BYTES))
        with serving(folder, target_core) as target:
            yield Bench(
                target,
                core,
                target_core,
                seconds,
                lambda run_s: RunArguments(target.url, target.tls_url, run_s, folder),
            )
