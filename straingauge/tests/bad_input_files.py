"""Files with mistakes, for the commands that read them."""

from pathlib import Path

JOURNEYS = """
from straingauge import tagged

@tagged("read")
def look(user):
    yield user.get("/")

def write(user):
    yield user.post("/", json={})
"""
LIMITS = "{ target = 1, warning = 2, critical = 3 }"
SUITES = {
    "j.py": JOURNEYS,
    "j.txt": JOURNEYS,
    "broken.py": "def look(user:\n",
    "empty.py": "",
    "plain.py": "def look(user):\n    return user.get('/')\n",
    "raises.py": "1 / 0\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "missing.py": "import no_such_module\n",
    "twice.py": f"{JOURNEYS}\n\ndef look(user):\n    yield user.get('/again')\n",
    "no_user.py": "def look():\n    yield\n",
    "two_users.py": "def look(user, other):\n    yield user.get('/')\n",
    "account_3.py": f"account = 3\n{JOURNEYS}",
    "account_int.py": f"def account(index):\n    return 3\n{JOURNEYS}",
    "account_none.py": f"def account():\n    return {{}}\n{JOURNEYS}",
    "log_in.py": f"def log_in():\n    yield\n{JOURNEYS}",
    "listed.py": f"{JOURNEYS}\nendpoints = ['GET /hello']\n",
    "endpoints.py": f"{JOURNEYS}\nendpoints = 'GET /hello'\n",
}
THRESHOLDS = {
    "table": "[al]\n",
    "metric": f"[all]\np95 = {LIMITS}\n",
    "order": "[all]\np95_ms = { target = 3, warning = 2, critical = 1 }\n",
    "text": '[all]\np95_ms = "fast"\n',
    "nan": "[all]\np95_ms = { target = nan, warning = 2, critical = 3 }\n",
    "true": "[all]\np95_ms = { target = true, warning = 2, critical = 3 }\n",
    "syntax": "[all\n",
    "number": "all = 3\n",
    "endpoint": f'[endpoint."GET /helo"]\np95_ms = {LIMITS}\n',
    "test": "[test]\nx = 3\n",
}
SERVICE = '[service]\ncommand = ["true"]\n'
STACKS = {
    "text_port": f'port = "x"\n{SERVICE}',
    "big_port": f"port = 99999\n{SERVICE}",
    "no_service": "port = 1\n",
    "no_program": "[service]\ncommand = []\n",
    "unknown": f"foo = 1\n{SERVICE}",
    "placeholder": '[service]\ncommand = ["{prot}"]\n',
    "ready": f'{SERVICE}ready = "ready"\n',
    "no_time": f"{SERVICE}ready_within_s = 0\n",
    "env": f"[env]\nA = 3\n{SERVICE}",
    "observe": f"{SERVICE}[observe]\nfoo = 3\n",
}
FILES: dict[str, str | bytes] = {
    "file": "x",
    "page.html": "<!doctype html><html></html>",
    "plain.html": "<html></html>",
    "array.json": "[1, 2]",
    "cut.json": '{"schema_version": 1,\n"name": "a"',
    "deep.json": "[" * 100_000,
    "null.json": "null",
    "zeros.json": b"\0" * 100,
    "latin.json": b'{"schema_version": 1,\n"name": "caf\xe9"}',
    "latin.toml": b"# ok\n[all]\n# caf\xe9\n",
    "swagger.json": '{"swagger": "2.0", "paths": {}}',
    "typo/j.py": JOURNEYS,
    "typo/thresholds.toml": f"[test.typo]\np95_ms = {LIMITS}\n",
}


def write_files(folder: Path) -> None:
    """Write the files into a folder."""
    files = {
        **FILES,
        **SUITES,
        **{f"{name}.toml": text for name, text in (THRESHOLDS | STACKS).items()},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
