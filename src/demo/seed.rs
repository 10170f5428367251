//! The books that are there at first. Their times are fixed, so that examples can print whole answers.

use prost_types::{Duration, Struct, Timestamp, Value, value};

use super::bookstore_v1::book::Edition;
use super::bookstore_v1::{Audio, Book, Genre, Paper, Shelf, State};
use super::store::Store;

/// 2026-01-05T09:00:00Z.
const OPENING: Timestamp = Timestamp { seconds: 1_767_603_600, nanos: 0 };

/// A store with two shelves and four books.
pub(super) fn store() -> Store {
    let mut store = Store::default();
    for (name, title) in [("shelves/crime", "Crime"), ("shelves/fiction", "Fiction")] {
        let shelf = Shelf { name: name.into(), title: title.into(), book_count: 0 };
        store.add_shelf(shelf).expect("the store has room for its first shelves");
    }
    for book in [moonstone(), frankenstein(), time_machine(), twenty_thousand_leagues()] {
        let name = book.name.clone();
        store.add_book(book, false).expect("the first books are valid");
        let mut stored = store.book(&name).expect("it was just added").clone();
        stored.create_time = Some(OPENING);
        store.change_book(stored).expect("only its time differs");
    }
    store
}

fn moonstone() -> Book {
    Book {
        price_cents: 950,
        // 1868-07-16T00:00:00Z.
        publish_time: Some(Timestamp { seconds: -3_201_811_200, nanos: 0 }),
        edition: Some(Edition::Audio(Audio {
            length: Some(Duration { seconds: 77_400, nanos: 500_000_000 }),
            narrator: "Peter Jeffrey".into(),
        })),
        ..book("shelves/crime/books/the-moonstone", "The Moonstone", "Wilkie Collins", Genre::Crime)
    }
}

fn frankenstein() -> Book {
    Book {
        subtitle: Some("The Modern Prometheus".into()),
        price_cents: 1_250,
        // 1818-01-01T00:00:00Z.
        publish_time: Some(Timestamp { seconds: -4_796_668_800, nanos: 0 }),
        rating: Some(4.5),
        edition: Some(Edition::Paper(Paper { pages: 280, weight: 0.25 })),
        labels: [("binding".into(), "cloth".into()), ("window".into(), "yes".into())].into(),
        stock: [(1, 12), (7, 3)].into(),
        cover_digest: vec![0xfb, 0xef, 0xbe, 0xff],
        attributes: Some(Struct {
            fields: [
                ("illustrated".into(), Value { kind: Some(value::Kind::BoolValue(true)) }),
                ("translator".into(), Value { kind: Some(value::Kind::NullValue(0)) }),
            ]
            .into(),
        }),
        in_print: Some(true),
        ..book("shelves/fiction/books/frankenstein", "Frankenstein", "Mary Shelley", Genre::ScienceFiction)
    }
}

fn time_machine() -> Book {
    Book {
        price_cents: 800,
        // 1895-05-07T00:00:00Z.
        publish_time: Some(Timestamp { seconds: -2_355_868_800, nanos: 0 }),
        rating: Some(0.0),
        edition: Some(Edition::Paper(Paper { pages: 128, weight: 0.125 })),
        in_print: Some(false),
        ..book(
            "shelves/fiction/books/the-time-machine",
            "The Time Machine",
            "H. G. Wells",
            Genre::ScienceFiction,
        )
    }
}

fn twenty_thousand_leagues() -> Book {
    Book {
        subtitle: Some(String::new()),
        price_cents: 9_007_199_254_740_993,
        // 1870-06-20T12:30:45.123456789Z.
        publish_time: Some(Timestamp { seconds: -3_140_940_555, nanos: 123_456_789 }),
        ..book(
            "shelves/fiction/books/vingt-mille-lieues",
            "Vingt mille lieues sous les mers",
            "Jules Verne",
            Genre::ScienceFiction,
        )
    }
}

fn book(name: &str, title: &str, author: &str, genre: Genre) -> Book {
    Book {
        name: name.into(),
        title: title.into(),
        authors: vec![author.into()],
        genre: genre.into(),
        state: State::Active.into(),
        ..Book::default()
    }
}
