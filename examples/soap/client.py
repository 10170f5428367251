"""A SOAP client of the bookstore, which speaks gRPC. Everything it knows is in the WSDL that Transom serves."""

import datetime
import sys

import zeep

gateway = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080"
client = zeep.Client(f"{gateway}/soap/bookstore.v1.Bookstore?wsdl")
books = client.service

# Two fields of one book. What is a message in protobuf is a type here, what is a field an element.
book = books.GetBook(name="shelves/fiction/books/frankenstein", readMask="title,publishTime")
print(f"{book.title} came out in {book.publishTime.year}.")

# Lists are lists, enums their names.
page = books.ListBooks(parent="shelves/fiction", pageSize=2, order="PRICE")
for book in page.books:
    print(f"{book.title}: {book.priceCents} cents, {book.genre}")

# A message inside of a message, a date, and a map.
made = books.CreateBook(
    parent="shelves/crime",
    bookId="woman-in-white",
    book={
        "title": "The Woman in White",
        "authors": ["Wilkie Collins"],
        "publishTime": datetime.datetime(1859, 11, 26, tzinfo=datetime.timezone.utc),
        "labels": {"entry": [{"key": "binding", "value": "cloth"}]},
    },
)
print(f"{made.name} is bound in {made.labels.entry[0].value}.")

# An error of the backend is a Fault, and what gRPC tells about it is typed.
try:
    books.CreateBook(parent="shelves/crime", bookId="woman-in-white", book={"title": "Again"})
except zeep.exceptions.Fault as fault:
    status = client.wsdl.types.deserialize(fault.detail[0])
    print(f"Code {status.code}: {status.message}")

# A stream of answers is a list.
for event in books.WatchShelf(name="shelves/crime", includePresent=True, maxEvents=2):
    print(f"{event.kind}: {event.book.title}")

books.DeleteBook(name="shelves/crime/books/woman-in-white")
