"""Patients over HTTP."""

import base64

import httpx2
import pytest
from recordings import SignUp


async def test_patient_is_created_read_and_changed(client: httpx2.AsyncClient, ann: dict[str, str]):
    """A patient is returned as created, and a change affects only the given fields."""
    fields = {
        "full_name": "  Bo Sample ",
        "email": "Bo@Example.org",
        "phone": "+00 123",
        "date_of_birth": "1990-02-28",
    }
    created = (await client.post("/api/patients/", json=fields, headers=ann)).json()
    assert created["full_name"] == "Bo Sample"
    assert created["email"] == "bo@example.org"
    path = f"/api/patients/{created['id']}"
    assert (await client.get(path, headers=ann)).json() == created

    changed = (await client.patch(path, json={"phone": None}, headers=ann)).json()
    assert changed["phone"] is None
    assert changed["updated_at"] > created["updated_at"]
    unchanged = set(created) - {"phone", "updated_at"}
    assert {name: changed[name] for name in unchanged} == {
        name: created[name] for name in unchanged
    }


@pytest.mark.parametrize(
    "invalid",
    [
        {},
        {"full_name": " "},
        {"full_name": "a\0b"},
        {"full_name": "Bo", "email": "no address"},
        {"full_name": "Bo", "email": "b\0@example.org"},
        {"full_name": "Bo", "date_of_birth": "1990-02-30"},
        {"full_name": "x" * 201},
    ],
)
async def test_invalid_patient_is_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str], invalid: dict[str, str]
):
    """Fields that are missing, too long or cannot be stored are a 422."""
    response = await client.post("/api/patients/", json=invalid, headers=ann)
    assert response.status_code == 422
    assert response.json()["error"]["details"]


async def test_name_cannot_be_cleared(client: httpx2.AsyncClient, ann: dict[str, str]):
    """Null as the name of a patient is a 422."""
    created = (await client.post("/api/patients/", json={"full_name": "Bo"}, headers=ann)).json()
    path = f"/api/patients/{created['id']}"
    response = await client.patch(path, json={"full_name": None}, headers=ann)
    assert response.status_code == 422


async def test_patients_are_listed_by_name_in_pages(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """The pages contain each patient once, ordered by name, also with equal names."""
    names = ["Cy", "Al", "Bo", "Bo", "Di"]
    for name in names:
        await client.post("/api/patients/", json={"full_name": name}, headers=ann)
    seen: list[dict[str, str]] = []
    target = "/api/patients/?limit=2"
    while target:
        response = await client.get(target, headers=ann)
        seen += response.json()
        target = response.links.get("next", {}).get("url", "")
    assert [patient["full_name"] for patient in seen] == sorted(names)
    assert len({patient["id"] for patient in seen}) == len(names)


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzEsMl0", "!!!", "W10", "IiI"])
async def test_invalid_cursor_is_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str], cursor: str
):
    """An invalid cursor is a 400 in every list."""
    for path in ("/api/patients/", "/api/sessions/"):
        response = await client.get(path, params={"cursor": cursor}, headers=ann)
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "bad_cursor"


async def test_cursor_has_no_name(client: httpx2.AsyncClient, ann: dict[str, str], sign_up: SignUp):
    """The cursor of a page, which is in URLs, has no name; that of another therapist is a 400."""
    for name in ("Al Person", "Bo Person", "Cy Person"):
        await client.post("/api/patients/", json={"full_name": name}, headers=ann)
    page = await client.get("/api/patients/?limit=1", headers=ann)
    target = page.links["next"]["url"]
    cursor = target.rpartition("cursor=")[2]
    assert b"Person" not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    path = f"/api/patients/{page.json()[0]['id']}"
    await client.patch(path, json={"full_name": "Bz Person"}, headers=ann)
    names = [patient["full_name"] for patient in (await client.get(target, headers=ann)).json()]
    assert names == ["Cy Person"]  # after the patient, wherever its name stands now
    other = await client.get(target, headers=await sign_up("bob@example.com"))
    assert (other.status_code, other.json()["error"]["code"]) == (400, "bad_cursor")
