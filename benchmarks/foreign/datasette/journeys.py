"""Journeys of Datasette's JSON API, with the tables of `seed.py`.

Datasette serves no OpenAPI document, so these journeys are written by hand, after its
documentation: https://docs.datasette.io/en/stable/json_api.html.
"""

from straingauge import mix

ORDERS, CUSTOMERS = 50_000, 1_000


def rows(response):
    """Check that the response has rows."""
    return None if response.json().get("rows") else "no rows"


def read_orders(user):
    """Read the orders of a customer."""
    yield user.get(
        "/shop/orders.json",
        params={"customer": f"customer-{user.random.randrange(CUSTOMERS)}", "_size": 20},
        name="GET /shop/orders.json",
        checks=[rows],
    )


def read_order(user):
    """Read an order."""
    yield user.get(
        f"/shop/orders/{user.random.randrange(ORDERS)}.json",
        name="GET /shop/orders/{id}.json",
        checks=[rows],
    )


def read_versions(user):
    """Read the versions, as a monitor does."""
    yield user.get("/-/versions.json")


mix = mix((read_orders, 4), (read_order, 4), (read_versions, 1))
