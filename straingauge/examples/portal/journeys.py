"""Journeys of members: they log in by the form, read their notes, and write one now and then."""

from straingauge import form_request, log_in_by_form, mix, tagged

endpoints = [
    *("GET /login", "POST /login", "GET /notes", "POST /notes", "GET /notes/{id}"),
]


def account(index):
    """Return the name and the password of a member."""
    name = f"member{index}"
    return {"name": name, "password": f"password of {name}"}


def log_in(user):
    """Log in by the form; the session is in the cookies from then on."""
    account = {"name": user.data["name"], "password": user.data["password"]}
    yield from log_in_by_form(user, "/login", account)


def is_mine(response):
    """Check that the page is of the member who has logged in; else it is the log-in form."""
    return None if "<h1>Notes of member" in response.text else "the log-in form"


@tagged("read")
def read(user):
    """Read the newest notes."""
    yield user.get("/notes", checks=[is_mine], follow_redirects=True)


@tagged("write")
def write(user):
    """Write a note with the form of the page, and follow the redirect to the note."""
    page = yield user.get("/notes", checks=[is_mine])
    note = yield form_request(
        user, page, {"text": f"by {user.data['name']}"}, follow_redirects=True
    )
    assert f"by {user.data['name']}" in note.text


mix = mix((read, 3), (write, 1))
