"""Commands of straingauge in processes, in one folder, bounded in time and size."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError

MAX_CHARACTERS: Final = 20_000  # of a command's output: an assistant reads all of it
STOP_WITHIN_S: Final = 20.0  # a load that is stopped writes its result first
_MAIN: Final = "from straingauge.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands that run in one folder.

    Attributes:
        folder: The working directory; files outside of it are refused.
    """

    folder: Path

    def inside(self, file: str) -> str:
        """Return a path below the folder.

        Raises:
            UsageError: The path leads out of the folder, or nothing is there.
        """
        path = (self.folder / file).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise UsageError(f"{file}: outside of {self.folder}, the folder of this server")
        if not path.exists():
            raise UsageError(f"{file}: there is no such file in {self.folder}")
        return str(path)

    async def run(self, arguments: Sequence[str], within_s: float) -> str:
        """Run a command and return what it prints, and its exit code.

        Args:
            arguments: Of the command line.
            within_s: After this time the command is interrupted, as by Ctrl-C.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _MAIN,
            *arguments,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        reading = asyncio.ensure_future(process.communicate())
        try:
            output, _ = await asyncio.wait_for(asyncio.shield(reading), within_s)
        except TimeoutError:
            output = await _stopped(process, reading)
        finally:  # a request that is cancelled leaves no load behind
            if process.returncode is None:
                await _stopped(process, reading)
        text = output.decode(errors="replace")
        if len(text) > MAX_CHARACTERS:
            text = f"{text[:MAX_CHARACTERS]}\n(shortened)"
        return f"{text.rstrip()}\nexit code {process.returncode}"


async def _stopped(
    process: asyncio.subprocess.Process, reading: "asyncio.Future[tuple[bytes, bytes]]"
) -> bytes:
    """Stop a process, by force if it does not end, and return its output."""
    process.terminate()
    try:
        output, _ = await asyncio.wait_for(asyncio.shield(reading), STOP_WITHIN_S)
    except TimeoutError:
        process.kill()
        output, _ = await reading
    return output
