"""k9-load at the GET journey, as a Python script: URL, VUS and SECONDS come by `-e`."""

import k9

options = {"vus": int(k9.env["VUS"]), "duration": f"{k9.env['SECONDS']}s"}


async def default() -> None:
    """One GET."""
    await k9.http.get(k9.env["URL"])
