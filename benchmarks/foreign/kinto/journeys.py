"""Journeys of Kinto's API, with the buckets, collections and records of `seed.sql`.

Kinto's document is Swagger 2.0, for which `straingauge init` drafts nothing, so these journeys are
written by hand, after its reference: https://docs.kinto-storage.org.
"""

from straingauge import mix

COLLECTIONS = 50
RECORDS = 50_000


def data(response):
    """Check that the response has data."""
    return None if response.json().get("data") else "no data"


def collection_path(number):
    """Path of a collection of seed.sql."""
    return f"/v1/buckets/shop/collections/items-{number}"


def read_records(user):
    """Read the newest records of a collection."""
    number = user.random.randrange(COLLECTIONS)
    yield user.get(
        f"{collection_path(number)}/records",
        params={"_limit": 20, "_sort": "-last_modified"},
        name="GET /v1/buckets/{bucket}/collections/{collection}/records",
        checks=[data],
    )


def read_record(user):
    """Read a record."""
    number = user.random.randrange(RECORDS)
    yield user.get(
        f"{collection_path(number % COLLECTIONS)}/records/record-{number}",
        name="GET /v1/buckets/{bucket}/collections/{collection}/records/{record}",
        checks=[data],
    )


def read_collection(user):
    """Read a collection."""
    yield user.get(
        collection_path(user.random.randrange(COLLECTIONS)),
        name="GET /v1/buckets/{bucket}/collections/{collection}",
        checks=[data],
    )


def load_balancer_check(user):
    """Ask as a load balancer does."""
    yield user.get("/v1/__lbheartbeat__")


mix = mix((read_records, 3), (read_record, 4), (read_collection, 2), (load_balancer_check, 1))
