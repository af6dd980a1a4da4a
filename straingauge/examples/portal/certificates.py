"""A private authority and a certificate for localhost, made with openssl."""

import subprocess
import sys
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def make(folder: Path) -> None:
    """Write `ca.pem`, which clients trust, and `service.pem` with its key, unless they exist."""
    folder.mkdir(exist_ok=True)
    if (folder / "service.pem").exists():
        return
    openssl(folder, "req", "-x509", *KEY, "-days", "30", "-subj", "/CN=Portal authority",
            "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    openssl(folder, "req", *KEY, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl(folder, "x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "30", "-extfile", "names", "-out", "leaf.pem")  # fmt: skip
    content = (folder / "leaf.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "service.pem").write_text(content)


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in the folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
