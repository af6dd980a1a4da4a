"""Patients over HTTP."""

import httpx2
import pytest


async def test_a_therapist_makes_reads_and_changes_a_patient(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """A patient comes back as it was made, and a change touches only the fields it names."""
    fields = {
        "full_name": "  Bo Sample ",
        "email": "Bo@Example.org",
        "phone": "+00 123",
        "date_of_birth": "1990-02-28",
    }
    made = (await client.post("/api/patients/", json=fields, headers=ann)).json()
    assert made["full_name"] == "Bo Sample"
    assert made["email"] == "bo@example.org"
    path = f"/api/patients/{made['id']}"
    assert (await client.get(path, headers=ann)).json() == made

    changed = (await client.patch(path, json={"phone": None}, headers=ann)).json()
    assert changed["phone"] is None
    assert changed["updated_at"] > made["updated_at"]
    unchanged = set(made) - {"phone", "updated_at"}
    assert {name: changed[name] for name in unchanged} == {name: made[name] for name in unchanged}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"full_name": " "},
        {"full_name": "a\0b"},
        {"full_name": "Bo", "email": "nobody"},
        {"full_name": "Bo", "email": "b\0@example.org"},
        {"full_name": "Bo", "date_of_birth": "1990-02-30"},
        {"full_name": "x" * 201},
    ],
)
async def test_a_patient_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], wrong: dict[str, str]
):
    """Fields that are missing, too long or cannot be stored are a 422, never a 500."""
    answer = await client.post("/api/patients/", json=wrong, headers=ann)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]


async def test_a_name_cannot_be_cleared(client: httpx2.AsyncClient, ann: dict[str, str]):
    """A patient keeps a name: null for it is a 422."""
    made = (await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)).json()
    path = f"/api/patients/{made['id']}"
    answer = await client.patch(path, json={"full_name": None}, headers=ann)
    assert answer.status_code == 422


async def test_patients_are_listed_by_name_page_by_page(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """Following the links walks all patients once, by name, also those of the same name."""
    names = ["Cy", "Al", "Bo", "Bo", "Di"]
    for name in names:
        await client.post("/api/patients/", json={"full_name": name}, headers=ann)
    seen: list[dict[str, str]] = []
    target = "/api/patients/?limit=2"
    while target:
        answer = await client.get(target, headers=ann)
        seen += answer.json()
        target = answer.links.get("next", {}).get("url", "")
    assert [patient["full_name"] for patient in seen] == sorted(names)
    assert len({patient["id"] for patient in seen}) == len(names)


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzEsMl0", "!!!", "W10", "IiI"])
async def test_a_foreign_cursor_is_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], cursor: str
):
    """A cursor that the service did not write is a 400 in every list."""
    for path in ("/api/patients/", "/api/sessions/"):
        answer = await client.get(path, params={"cursor": cursor}, headers=ann)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "bad_cursor"
