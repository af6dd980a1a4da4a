"""Surroundings of a load that can fail under it.

They are the file system of its results, the address, name and process of its service, and a
database. File systems, addresses and names are of the namespaces that the campaign runs in.
"""

import array
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from straingauge.target.postgres import Postgres

if TYPE_CHECKING:
    from campaigns.instrument.scene import Scene

KINDS: Final = ("--net", "--mount")
PROBE: Final = "mount -t tmpfs none /mnt && ip addr add 192.0.2.9/32 dev lo"
ADDRESS: Final = "192.0.2.10"
NAME: Final = "service.test"
DISK_BYTES: Final = 1_000_000  # more than any of the results has
IMAGE_BYTES: Final = 8_000_000
# Of <linux/fs.h> (Linux 6.13) and of ext4 before: after it, all writes fail with EIO.
FS_IOC_SHUTDOWN: Final = 0x8004587D
WITHOUT_SYNC: Final = 2
FROZEN_S: Final = 5.0


@dataclass(frozen=True)
class Surroundings:
    """The service's address, and the options of the load that follow from its surroundings.

    Attributes:
        address: The address that the service listens on.
        name: Its name in the URL; None for the address.
        options: Options of the program.
    """

    address: str = "127.0.0.1"
    name: str | None = None
    options: Sequence[str] = ()


Around = Callable[[Path], AbstractContextManager[Surroundings]]
"""Makes the surroundings of a load with its files in a folder."""


@contextmanager
def nothing(_folder: Path) -> Iterator[Surroundings]:
    """Change nothing."""
    yield Surroundings()


@contextmanager
def small_disk(folder: Path) -> Iterator[Surroundings]:
    """Give the results a small file system."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none"):
        yield Surroundings()


@contextmanager
def disk_of_blocks(folder: Path) -> Iterator[Surroundings]:
    """Give the results a file system on a block device, which can fail."""
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _run("mkfs.ext4", "-q", str(image))
    with _mounted(folder, "-o", "loop", str(image)):
        yield Surroundings()


@contextmanager
def second_address(_folder: Path) -> Iterator[Surroundings]:
    """Give the service an address that can be taken away."""
    _run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
    try:
        yield Surroundings(ADDRESS, options=("--allow-host", ADDRESS))
    finally:
        subprocess.run(_removal(), check=False, capture_output=True)


@contextmanager
def name_of_service(folder: Path) -> Iterator[Surroundings]:
    """Give the service a name in /etc/hosts, with a name server that does not respond."""
    hosts, resolver = folder / "hosts", folder / "resolv.conf"
    hosts.write_text(f"127.0.0.1 localhost {NAME}\n")
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    _run("mount", "--bind", str(hosts), "/etc/hosts")
    _run("mount", "--bind", str(resolver), "/etc/resolv.conf")
    try:
        yield Surroundings(name=NAME)
    finally:
        _run("umount", "/etc/hosts", "/etc/resolv.conf")


@contextmanager
def database(folder: Path) -> Iterator[Surroundings]:
    """Observe a database."""
    with Postgres() as server:
        (folder / "postgres.pid").write_text(str(server.pid))
        yield Surroundings(options=("--database-url", server.url))


def fill_disk(scene: "Scene") -> None:
    """Fill the file system of the results."""
    with (scene.folder / "results" / "filling").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:  # it is full
            return


def protect_disk(scene: "Scene") -> None:
    """Make the file system of the results read-only."""
    _run("mount", "-o", "remount,ro", str(scene.folder / "results"))


def break_disk(scene: "Scene") -> None:
    """Let each write to the file system of the results fail."""
    descriptor = os.open(scene.folder / "results", os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, array.array("I", [WITHOUT_SYNC]))
    finally:
        os.close(descriptor)


def remove_address(_scene: "Scene") -> None:
    """Take away the service's address."""
    _run(*_removal())


def forget_name(scene: "Scene") -> None:
    """Take away the service's name."""
    (scene.folder / "hosts").write_text("127.0.0.1 localhost\n")


def kill_service(scene: "Scene") -> None:
    """End the service."""
    scene.server.process.kill()


def stop_service(scene: "Scene") -> None:
    """Stop the service for some seconds."""
    scene.signal(scene.server.process, signal.SIGSTOP)


def kill_database(scene: "Scene") -> None:
    """End the database server."""
    os.kill(int((scene.folder / "postgres.pid").read_text()), signal.SIGQUIT)


@contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[None]:
    results = folder / "results"
    results.mkdir()
    _run("mount", *what, str(results))
    try:
        yield
    finally:
        _run("umount", "--lazy", str(results))


def _removal() -> list[str]:
    return ["ip", "addr", "del", f"{ADDRESS}/32", "dev", "lo"]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
