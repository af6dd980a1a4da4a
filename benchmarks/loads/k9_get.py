"""k9-load with the GET journey: URL, VUS and SECONDS come from `-e`."""

import k9

options = {"vus": int(k9.env["VUS"]), "duration": f"{k9.env['SECONDS']}s"}


async def default() -> None:
    """Send one GET request."""
    await k9.http.get(k9.env["URL"])
