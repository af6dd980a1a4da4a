"""Journeys of readers: search for a book, read about one, sometimes borrow one."""

from straingauge import mix, tagged

WORDS = ("river", "winter", "garden", "letter", "harbour")
endpoints = ["GET /books", "GET /books/{isbn}", "POST /loans"]


def has_books(response):
    """Check that a search finds books with the word in their titles."""
    title = response.request.target.rpartition("=")[2]
    books = response.json()
    wrong = [book["isbn"] for book in books if title not in book["title"]]
    return f"found {wrong[0]} for {title}" if wrong else None if books else "found nothing"


@tagged("read")
def search(user):
    """Search for a book and open one of the results."""
    title = user.random.choice(WORDS)
    books = (yield user.get("/books", params={"title": title}, checks=[has_books])).json()
    isbn = user.random.choice(books)["isbn"]
    yield user.get(f"/books/{isbn}", name="GET /books/{isbn}")


@tagged("write")
def borrow(user):
    """Borrow a book that no other user borrows, and remember it for `verify`."""
    mine = user.data.setdefault("mine", [])
    isbn = f"loan-{user.index}-{len(mine)}"
    yield user.post("/loans", json={"isbn": isbn, "reader": f"{user.index}"}, expect=[201])
    mine.append(isbn)


def verify(user):
    """Check after the load that a book on loan cannot be borrowed again."""
    for isbn in user.data.get("mine", [])[:3]:
        yield user.post("/loans", json={"isbn": isbn, "reader": "another"}, expect=[409])


mix = mix((search, 9), (borrow, 1))
