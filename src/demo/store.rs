//! The shelves and books, in memory and bounded.

use std::collections::BTreeMap;
use std::time::SystemTime;

use prost::Message;
use prost_types::Timestamp;
use tonic::Status;

use super::bookstore_v1::{Book, BookFilter, Genre, Shelf, State};
use super::errors::{self, Violations};
use super::{filter, names};

/// How many shelves there may be.
const MAX_SHELVES: usize = 100;

/// How many books there may be on all shelves.
const MAX_BOOKS: usize = 500;

/// The largest book, in bytes of its wire form.
const MAX_BOOK: usize = 16 << 10;

/// The longest title, name of an author or narrator, in bytes.
const MAX_TEXT: usize = 200;

/// How many authors a book may have.
const MAX_AUTHORS: usize = 20;

/// All that the shop knows. Both maps go by full name.
#[derive(Default)]
pub(super) struct Store {
    shelves: BTreeMap<String, Shelf>,
    books: BTreeMap<String, Book>,
}

impl Store {
    /// All shelves, by name.
    pub(super) fn shelves(&self) -> impl Iterator<Item = Shelf> {
        self.shelves.values().map(|shelf| self.counted(shelf))
    }

    /// The shelf with this name.
    pub(super) fn shelf(&self, name: &str) -> Result<Shelf, Status> {
        self.shelves
            .get(name)
            .map(|shelf| self.counted(shelf))
            .ok_or_else(|| errors::not_found("Shelf", name))
    }

    /// Adds a shelf.
    pub(super) fn add_shelf(&mut self, shelf: Shelf) -> Result<Shelf, Status> {
        if self.shelves.contains_key(&shelf.name) {
            return Err(errors::already_exists("Shelf", &shelf.name));
        }
        if self.shelves.len() >= MAX_SHELVES {
            return Err(errors::full("shelves", MAX_SHELVES));
        }
        let shelf = Shelf { book_count: 0, ..shelf };
        self.shelves.insert(shelf.name.clone(), shelf.clone());
        Ok(shelf)
    }

    /// Removes a shelf and, if `force` allows it, its books, which are returned.
    pub(super) fn remove_shelf(&mut self, name: &str, force: bool) -> Result<Vec<Book>, Status> {
        self.shelf(name)?;
        let count = self.books_on(name).count();
        if count > 0 && !force {
            return Err(errors::not_empty(name, count));
        }
        self.shelves.remove(name);
        Ok(self.remove_books(name, |_| true))
    }

    /// Removes the archived books of a shelf and returns them.
    pub(super) fn purge_shelf(&mut self, name: &str) -> Result<Vec<Book>, Status> {
        self.shelf(name)?;
        Ok(self.remove_books(name, |book| book.state() == State::Archived))
    }

    /// The books of all shelves, by name.
    pub(super) fn books(&self) -> impl Iterator<Item = &Book> {
        self.books.values()
    }

    /// The books of one shelf, by name.
    pub(super) fn books_on(&self, shelf: &str) -> impl Iterator<Item = &Book> {
        let prefix = names::book(shelf, "");
        self.books
            .range(prefix.clone()..)
            .take_while(move |(name, _)| name.starts_with(&prefix))
            .map(|(_, book)| book)
    }

    /// The books that a filter means, by name.
    pub(super) fn filtered(&self, wanted: &BookFilter) -> impl Iterator<Item = &Book> {
        self.books().filter(move |book| filter::matches(wanted, book))
    }

    /// The book with this name.
    pub(super) fn book(&self, name: &str) -> Result<&Book, Status> {
        self.books.get(name).ok_or_else(|| errors::not_found("Book", name))
    }

    /// Adds a book to its shelf, or only says whether that could be done.
    pub(super) fn add_book(&mut self, book: Book, validate_only: bool) -> Result<Book, Status> {
        self.shelf(names::shelf_of(&book.name))?;
        if self.books.contains_key(&book.name) {
            return Err(errors::already_exists("Book", &book.name));
        }
        if self.books.len() >= MAX_BOOKS {
            return Err(errors::full("books", MAX_BOOKS));
        }
        let book = Book { state: State::Active.into(), create_time: Some(now()), ..book };
        check_book(&book)?;
        if !validate_only {
            self.books.insert(book.name.clone(), book.clone());
        }
        Ok(book)
    }

    /// Puts a changed book in the place of the one with its name, which must be there.
    pub(super) fn change_book(&mut self, book: Book) -> Result<Book, Status> {
        check_book(&book)?;
        match self.books.get_mut(&book.name) {
            Some(place) => place.clone_from(&book),
            None => return Err(errors::not_found("Book", &book.name)),
        }
        Ok(book)
    }

    /// Removes a book and returns it.
    pub(super) fn remove_book(&mut self, name: &str) -> Result<Book, Status> {
        self.books.remove(name).ok_or_else(|| errors::not_found("Book", name))
    }

    /// The authors with the number of their books, by name.
    pub(super) fn authors(&self) -> BTreeMap<String, i32> {
        let mut authors = BTreeMap::new();
        for author in self.books().flat_map(|book| &book.authors) {
            *authors.entry(author.clone()).or_default() += 1;
        }
        authors
    }

    fn counted(&self, shelf: &Shelf) -> Shelf {
        let book_count = self.books_on(&shelf.name).count().try_into().unwrap_or(i32::MAX);
        Shelf { book_count, ..shelf.clone() }
    }

    fn remove_books(&mut self, shelf: &str, which: impl Fn(&Book) -> bool) -> Vec<Book> {
        let names: Vec<_> =
            self.books_on(shelf).filter(|book| which(book)).map(|book| book.name.clone()).collect();
        names.iter().filter_map(|name| self.books.remove(name)).collect()
    }
}

/// The present time.
fn now() -> Timestamp {
    SystemTime::now().into()
}

/// INVALID_ARGUMENT if a shelf cannot be stored.
pub(super) fn check_shelf(id: &str, shelf: &Shelf) -> Result<(), Status> {
    let mut violations = Violations::default();
    names::check_id("shelf_id", id, &mut violations);
    check_text("shelf.title", &shelf.title, &mut violations);
    violations.finish()
}

/// INVALID_ARGUMENT if a book cannot be stored.
fn check_book(book: &Book) -> Result<(), Status> {
    let mut violations = Violations::default();
    names::check_book("book.name", &book.name, &mut violations);
    check_text("book.title", &book.title, &mut violations);
    violations.require(book.authors.len() <= MAX_AUTHORS, "book.authors", "must be at most 20");
    for (index, author) in book.authors.iter().enumerate() {
        check_text(&format!("book.authors[{index}]"), author, &mut violations);
    }
    violations.require(
        Genre::try_from(book.genre).is_ok(),
        "book.genre",
        "must be one of the genres that this store knows",
    );
    violations.require(book.price_cents >= 0, "book.price_cents", "must not be negative");
    violations.require(
        book.rating.is_none_or(|rating| (0.0..=5.0).contains(&rating)),
        "book.rating",
        "must lie between 0 and 5",
    );
    violations.require(book.encoded_len() <= MAX_BOOK, "book", "must not be larger than 16 KiB");
    violations.finish()
}

fn check_text(field: &str, text: &str, violations: &mut Violations) {
    violations.require((1..=MAX_TEXT).contains(&text.len()), field, "must be 1 to 200 bytes long");
}
