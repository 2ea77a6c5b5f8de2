"""Price books: what NHS England published, read as published.

Belongs here: importing workbooks, the books that are kept, which of them prices a day, and
comparing them. Does not belong here: prices, or which of them a record takes
(`pricing.unit_price`).

`annex_a` declares the tables and the words by which they are known; `sheets` gives the cells of
a file; `reading` makes tables of them; `frames` puts these together for pricing; `importing`
stores them as `books`; `comparing` tells two of those apart.
"""

from pipelines.price_books.books import (
    PriceBook,
    StoredBook,
    cell_of,
    lacking,
    price_book_for,
    published_table,
    read_price_book,
    schedules_of,
    sha256_of,
    shipped_folder,
    stored_books,
)

__all__ = [
    "PriceBook",
    "StoredBook",
    "cell_of",
    "lacking",
    "price_book_for",
    "published_table",
    "read_price_book",
    "schedules_of",
    "sha256_of",
    "shipped_folder",
    "stored_books",
]
