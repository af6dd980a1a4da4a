"""Create a SQLite database with 50,000 orders of 1,000 customers: seed.py PATH."""

import os
import sqlite3
import sys

ORDERS, CUSTOMERS = 50_000, 1_000

with sqlite3.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, note TEXT)")
    rows = ((n, f"customer-{n % CUSTOMERS}", f"order {n}: " + "x" * 200) for n in range(ORDERS))
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    if os.environ.get("SHOP_INDEX") != "no":
        connection.execute("CREATE INDEX orders_customer ON orders (customer)")
    connection.execute("ANALYZE")
