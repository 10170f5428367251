//! Resource names: `shelves/{shelf}` and `shelves/{shelf}/books/{book}`.

use super::errors::Violations;

/// The longest last part of a name, in bytes.
const MAX_ID: usize = 40;

/// What an identifier may look like, for error texts.
const ID_RULE: &str = "must be 1 to 40 lower-case letters, digits or hyphens";

/// The name of a shelf.
pub(super) fn shelf(id: &str) -> String {
    format!("shelves/{id}")
}

/// The name of a book on a shelf.
pub(super) fn book(shelf: &str, id: &str) -> String {
    format!("{shelf}/books/{id}")
}

/// The shelf part of a book's name.
pub(super) fn shelf_of(book: &str) -> &str {
    book.split_once("/books/").map_or(book, |(shelf, _)| shelf)
}

/// Notes it if a new identifier is not well formed.
pub(super) fn check_id(field: &str, id: &str, violations: &mut Violations) {
    violations.require(is_id(id), field, ID_RULE);
}

/// Notes it if a field does not hold the name of a shelf.
pub(super) fn check_shelf(field: &str, name: &str, violations: &mut Violations) {
    violations.require(is_shelf(name), field, "must have the form shelves/{shelf}");
}

/// Notes it if a field does not hold the name of a book.
pub(super) fn check_book(field: &str, name: &str, violations: &mut Violations) {
    let good = name.split_once("/books/").is_some_and(|(shelf, book)| is_shelf(shelf) && is_id(book));
    violations.require(good, field, "must have the form shelves/{shelf}/books/{book}");
}

fn is_shelf(name: &str) -> bool {
    name.strip_prefix("shelves/").is_some_and(is_id)
}

fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
