//! Field masks over a book: which fields to return and which to change.

use prost_types::FieldMask;

use super::bookstore_v1::book::Edition;
use super::bookstore_v1::{Audio, Book, Paper};
use super::errors::Violations;

/// The fields that a caller may write.
const WRITABLE: [&str; 14] = [
    "title",
    "authors",
    "genre",
    "publish_time",
    "price_cents",
    "subtitle",
    "rating",
    "paper",
    "audio",
    "labels",
    "stock",
    "cover_digest",
    "attributes",
    "in_print",
];

/// The part of a book that a read mask asks for; all of it without a mask.
pub(super) fn read(mask: Option<&FieldMask>, book: &Book, violations: &mut Violations) -> Book {
    let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else { return book.clone() };
    let mut part = Book::default();
    for path in &mask.paths {
        if path == "*" {
            return book.clone();
        }
        if !copy(path, book, &mut part) {
            violations.add("read_mask", format!("names {path:?}, which is no field of a book"));
        }
    }
    part
}

/// Applies the fields of `change` that an update mask names to `book`; without a mask, those that are not
/// empty.
pub(super) fn write(mask: Option<&FieldMask>, change: &Book, book: &mut Book, violations: &mut Violations) {
    let Some(mask) = mask.filter(|mask| !mask.paths.is_empty()) else {
        for path in WRITABLE.iter().filter(|path| is_set(path, change)) {
            copy(path, change, book);
        }
        return;
    };
    for path in &mask.paths {
        match path.as_str() {
            "*" => {
                for path in WRITABLE {
                    copy(path, change, book);
                }
            }
            "name" | "state" | "create_time" => {
                violations.add("update_mask", format!("names {path:?}, which only the store sets"));
            }
            path if copy(path, change, book) => {}
            path => violations.add("update_mask", format!("names {path:?}, which is no field of a book")),
        }
    }
}

fn is_set(path: &str, book: &Book) -> bool {
    let mut probe = Book::default();
    copy(path, book, &mut probe);
    probe != Book::default()
}

/// Copies one field, absence included; false if there is no such field.
fn copy(path: &str, from: &Book, to: &mut Book) -> bool {
    match path {
        "name" => to.name.clone_from(&from.name),
        "title" => to.title.clone_from(&from.title),
        "authors" => to.authors.clone_from(&from.authors),
        "genre" => to.genre = from.genre,
        "state" => to.state = from.state,
        "publish_time" => to.publish_time = from.publish_time,
        "price_cents" => to.price_cents = from.price_cents,
        "subtitle" => to.subtitle.clone_from(&from.subtitle),
        "rating" => to.rating = from.rating,
        "labels" => to.labels.clone_from(&from.labels),
        "stock" => to.stock.clone_from(&from.stock),
        "cover_digest" => to.cover_digest.clone_from(&from.cover_digest),
        "attributes" => to.attributes.clone_from(&from.attributes),
        "create_time" => to.create_time = from.create_time,
        "in_print" => to.in_print = from.in_print,
        _ => return copy_edition(path, from, to),
    }
    true
}

/// Copies a member of the oneof or a field of it. An absent member clears only itself.
fn copy_edition(path: &str, from: &Book, to: &mut Book) -> bool {
    match path {
        "paper" | "audio" => match (&from.edition, &to.edition) {
            (Some(Edition::Paper(_)), _) if path == "paper" => to.edition.clone_from(&from.edition),
            (Some(Edition::Audio(_)), _) if path == "audio" => to.edition.clone_from(&from.edition),
            (_, Some(Edition::Paper(_))) if path == "paper" => to.edition = None,
            (_, Some(Edition::Audio(_))) if path == "audio" => to.edition = None,
            _ => {}
        },
        "paper.pages" => change_paper(to, |paper| paper.pages = paper_of(from).pages),
        "paper.weight" => change_paper(to, |paper| paper.weight = paper_of(from).weight),
        "audio.length" => change_audio(to, |audio| audio.length = audio_of(from).length),
        "audio.narrator" => change_audio(to, |audio| audio.narrator = audio_of(from).narrator),
        _ => return false,
    }
    true
}

fn paper_of(book: &Book) -> Paper {
    match &book.edition {
        Some(Edition::Paper(paper)) => *paper,
        _ => Paper::default(),
    }
}

fn audio_of(book: &Book) -> Audio {
    match &book.edition {
        Some(Edition::Audio(audio)) => audio.clone(),
        _ => Audio::default(),
    }
}

fn change_paper(book: &mut Book, change: impl FnOnce(&mut Paper)) {
    let mut paper = paper_of(book);
    change(&mut paper);
    book.edition = Some(Edition::Paper(paper));
}

fn change_audio(book: &mut Book, change: impl FnOnce(&mut Audio)) {
    let mut audio = audio_of(book);
    change(&mut audio);
    book.edition = Some(Edition::Audio(audio));
}
