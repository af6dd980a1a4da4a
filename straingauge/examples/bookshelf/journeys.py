"""What readers do: they look for a book, look closer at one, and now and then borrow one."""

from straingauge import mix, tagged

WORDS = ("river", "winter", "garden", "letter", "harbour")
endpoints = ["GET /books", "GET /books/{isbn}", "POST /loans"]


def has_books(response):
    """A check: a search for a word there is finds books with it in their titles."""
    title = response.request.target.rpartition("=")[2]
    books = response.json()
    wrong = [book["isbn"] for book in books if title not in book["title"]]
    return f"found {wrong[0]} for {title}" if wrong else None if books else "found nothing"


@tagged("read")
def look(user):
    """Look for a book, and look closer at one that was found."""
    title = user.random.choice(WORDS)
    books = (yield user.get("/books", params={"title": title}, checks=[has_books])).json()
    isbn = user.random.choice(books)["isbn"]
    yield user.get(f"/books/{isbn}", name="GET /books/{isbn}")


@tagged("write")
def borrow(user):
    """Borrow a book that nobody else asks for; remember it, to be read back."""
    mine = user.data.setdefault("mine", [])
    isbn = f"loan-{user.index}-{len(mine)}"
    yield user.post("/loans", json={"isbn": isbn, "reader": f"{user.index}"}, expect=[201])
    mine.append(isbn)


def verify(user):
    """After the load: what was lent once is not lent again."""
    for isbn in user.data.get("mine", [])[:3]:
        yield user.post("/loans", json={"isbn": isbn, "reader": "another"}, expect=[409])


mix = mix((look, 9), (borrow, 1))
