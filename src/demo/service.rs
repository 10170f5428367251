//! `bookstore.v1.Bookstore` over the store.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::Stream;
use tokio::sync::broadcast;
use tonic::{Request, Response, Status, Streaming};

use super::bookstore_v1::bookstore_server::Bookstore;
use super::bookstore_v1::*;
use super::errors::{self, Violations};
use super::store::{self, Store};
use super::{filter, mask, names, streams};

/// How many changes a slow watcher may be behind.
const MAX_BEHIND: usize = 64;

/// How many entries a page has if nothing is asked for.
const PAGE: i32 = 20;

/// How many entries a page has at most.
const MAX_PAGE: i32 = 100;

/// The service: a store behind a lock, which is never held across a wait, and the changes for watchers,
/// which are announced under the lock so that they come in their true order. Clones share both.
#[derive(Clone)]
pub(super) struct Shop {
    store: Arc<Mutex<Store>>,
    changes: broadcast::Sender<BookEvent>,
}

impl Shop {
    /// A shop with these books.
    pub(super) fn new(store: Store) -> Self {
        Self { store: Arc::new(Mutex::new(store)), changes: broadcast::Sender::new(MAX_BEHIND) }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // Every change of the store is one step, so a panic elsewhere leaves nothing half done.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The changes from now on. Asked for under the lock, none is missed and none comes twice.
    pub(super) fn changes(&self) -> broadcast::Receiver<BookEvent> {
        self.changes.subscribe()
    }

    /// Tells the watchers. The caller holds the lock.
    pub(super) fn announce(&self, kind: book_event::Kind, book: &Book) {
        // It fails when nobody watches, which is as it should be.
        let _ = self.changes.send(BookEvent { kind: kind.into(), book: Some(book.clone()) });
    }

    fn announce_removed<'a>(&self, books: impl IntoIterator<Item = &'a Book>) {
        for book in books {
            self.announce(book_event::Kind::Removed, book);
        }
    }

    fn written(&self, book: Book) -> Answer<Book> {
        self.announce(book_event::Kind::Written, &book);
        Ok(Response::new(book))
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Bookstore for Shop {
    async fn list_shelves(&self, request: Request<ListShelvesRequest>) -> Answer<ListShelvesResponse> {
        let request = request.into_inner();
        let page = Page::new(request.page_size, &request.page_token, Violations::default())?;
        let shelves: Vec<_> = self.store().shelves().collect();
        let (shelves, next_page_token) = page.cut(shelves);
        Ok(Response::new(ListShelvesResponse { shelves, next_page_token }))
    }

    async fn get_shelf(&self, request: Request<GetShelfRequest>) -> Answer<Shelf> {
        self.store().shelf(&request.into_inner().name).map(Response::new)
    }

    async fn create_shelf(&self, request: Request<CreateShelfRequest>) -> Answer<Shelf> {
        let CreateShelfRequest { shelf_id, shelf } = request.into_inner();
        let shelf = shelf.unwrap_or_default();
        store::check_shelf(&shelf_id, &shelf)?;
        let shelf = Shelf { name: names::shelf(&shelf_id), ..shelf };
        self.store().add_shelf(shelf).map(Response::new)
    }

    async fn delete_shelf(&self, request: Request<DeleteShelfRequest>) -> Answer<()> {
        let DeleteShelfRequest { name, force } = request.into_inner();
        let mut store = self.store();
        let removed = store.remove_shelf(&name, force)?;
        self.announce_removed(&removed);
        Ok(Response::new(()))
    }

    async fn purge_shelf(&self, request: Request<PurgeShelfRequest>) -> Answer<PurgeShelfResponse> {
        let mut store = self.store();
        let books = store.purge_shelf(&request.into_inner().name)?;
        self.announce_removed(&books);
        let removed = books.len().try_into().unwrap_or(i32::MAX);
        Ok(Response::new(PurgeShelfResponse { removed }))
    }

    async fn list_books(&self, request: Request<ListBooksRequest>) -> Answer<ListBooksResponse> {
        let request = request.into_inner();
        let wanted = request.filter.clone().unwrap_or_default();
        let mut violations = Violations::default();
        if !request.parent.is_empty() {
            names::check_shelf("parent", &request.parent, &mut violations);
        }
        filter::check(&wanted, &mut violations);
        mask::read(request.read_mask.as_ref(), &Book::default(), &mut violations);
        let page = Page::new(request.page_size, &request.page_token, violations)?;

        let store = self.store();
        let mut books: Vec<&Book> = store.filtered(&wanted).collect();
        if !request.parent.is_empty() {
            store.shelf(&request.parent)?;
            books.retain(|book| names::shelf_of(&book.name) == request.parent);
        }
        filter::sort(request.order(), &mut books);
        let (books, next_page_token) = page.cut(books);
        let part = |book| mask::read(request.read_mask.as_ref(), book, &mut Violations::default());
        Ok(Response::new(ListBooksResponse { books: books.into_iter().map(part).collect(), next_page_token }))
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Answer<Book> {
        let GetBookRequest { name, read_mask } = request.into_inner();
        let mut violations = Violations::default();
        let part = mask::read(read_mask.as_ref(), self.store().book(&name)?, &mut violations);
        violations.finish()?;
        Ok(Response::new(part))
    }

    async fn create_book(&self, request: Request<CreateBookRequest>) -> Answer<Book> {
        let CreateBookRequest { parent, book_id, book, validate_only } = request.into_inner();
        let mut violations = Violations::default();
        names::check_shelf("parent", &parent, &mut violations);
        names::check_id("book_id", &book_id, &mut violations);
        violations.finish()?;
        let book = Book { name: names::book(&parent, &book_id), ..book.unwrap_or_default() };
        let mut store = self.store();
        let book = store.add_book(book, validate_only)?;
        if validate_only { Ok(Response::new(book)) } else { self.written(book) }
    }

    async fn update_book(&self, request: Request<UpdateBookRequest>) -> Answer<Book> {
        let UpdateBookRequest { book, update_mask } = request.into_inner();
        let change = book.unwrap_or_default();
        let mut violations = Violations::default();
        let mut store = self.store();
        let mut book = store.book(&change.name)?.clone();
        mask::write(update_mask.as_ref(), &change, &mut book, &mut violations);
        violations.finish()?;
        self.written(store.change_book(book)?)
    }

    async fn replace_book(&self, request: Request<ReplaceBookRequest>) -> Answer<Book> {
        let ReplaceBookRequest { name, book, allow_missing } = request.into_inner();
        let book = Book { name, ..book.unwrap_or_default() };
        let mut store = self.store();
        self.written(match store.book(&book.name) {
            Err(_) if allow_missing => store.add_book(book, false)?,
            Err(error) => return Err(error),
            Ok(old) => {
                let book = Book { state: old.state, create_time: old.create_time, ..book };
                store.change_book(book)?
            }
        })
    }

    async fn delete_book(&self, request: Request<DeleteBookRequest>) -> Answer<()> {
        let mut store = self.store();
        let book = store.remove_book(&request.into_inner().name)?;
        self.announce_removed([&book]);
        Ok(Response::new(()))
    }

    async fn archive_book(&self, request: Request<ArchiveBookRequest>) -> Answer<Book> {
        let ArchiveBookRequest { name, reason } = request.into_inner();
        let mut store = self.store();
        let mut book = store.book(&name)?.clone();
        book.set_state(State::Archived);
        if !reason.is_empty() {
            book.labels.insert("archived".into(), reason);
        }
        self.written(store.change_book(book)?)
    }

    async fn list_authors(&self, _: Request<ListAuthorsRequest>) -> Answer<ListAuthorsResponse> {
        let authors = self.store().authors();
        let authors = authors.into_iter().map(|(name, book_count)| Author { name, book_count }).collect();
        Ok(Response::new(ListAuthorsResponse { authors }))
    }

    async fn browse_catalog(&self, request: Request<BrowseCatalogRequest>) -> Answer<BrowseCatalogResponse> {
        let path = request.into_inner().path;
        let store = self.store();
        let entries: BTreeSet<String> = match path.split_once('/') {
            _ if path.is_empty() => store.books().map(|book| book.genre().as_str_name().into()).collect(),
            None => in_genre(&store, &path).flat_map(|book| book.authors.clone()).collect(),
            Some((genre, author)) => in_genre(&store, genre)
                .filter(|book| book.authors.iter().any(|name| name == author))
                .map(|book| book.title.clone())
                .collect(),
        };
        if entries.is_empty() {
            return Err(errors::not_found("CatalogEntry", &path));
        }
        Ok(Response::new(BrowseCatalogResponse { path, entries: entries.into_iter().collect() }))
    }

    async fn count_books(&self, request: Request<CountBooksRequest>) -> Answer<CountBooksResponse> {
        let wanted = request.into_inner().filter.unwrap_or_default();
        let mut violations = Violations::default();
        filter::check(&wanted, &mut violations);
        violations.finish()?;
        let mut counts = CountBooksResponse::default();
        for book in self.store().filtered(&wanted) {
            counts.total += 1;
            *counts.by_genre.entry(book.genre().as_str_name().into()).or_default() += 1;
        }
        Ok(Response::new(counts))
    }

    type WatchShelfStream = Answers<BookEvent>;

    async fn watch_shelf(&self, request: Request<WatchShelfRequest>) -> Answer<Self::WatchShelfStream> {
        let events = streams::watch(self, &request.into_inner())?;
        Ok(Response::new(Box::pin(events)))
    }

    async fn import_books(
        &self,
        request: Request<Streaming<ImportBooksRequest>>,
    ) -> Answer<ImportBooksResponse> {
        streams::import(self, request.into_inner()).await.map(Response::new)
    }

    async fn count_words(
        &self,
        request: Request<Streaming<CountWordsRequest>>,
    ) -> Answer<CountWordsResponse> {
        streams::count_words(self, request.into_inner()).await.map(Response::new)
    }

    type RecommendBooksStream = Answers<RecommendBooksResponse>;

    async fn recommend_books(
        &self,
        request: Request<Streaming<RecommendBooksRequest>>,
    ) -> Answer<Self::RecommendBooksStream> {
        let answers = streams::recommend(self.clone(), request.into_inner());
        Ok(Response::new(Box::pin(answers)))
    }
}

fn in_genre<'a>(store: &'a Store, genre: &'a str) -> impl Iterator<Item = &'a Book> {
    store.books().filter(move |book| book.genre().as_str_name() == genre)
}

/// A part of a list. The token is the number of entries before it.
struct Page {
    start: usize,
    size: usize,
}

impl Page {
    /// INVALID_ARGUMENT with the violations so far and those of the page's own fields.
    fn new(size: i32, token: &str, mut violations: Violations) -> Result<Self, Status> {
        violations.require((0..=MAX_PAGE).contains(&size), "page_size", "must be 0 to 100");
        let start = if token.is_empty() { Some(0) } else { token.parse().ok() };
        violations.require(start.is_some(), "page_token", "must come from an earlier answer");
        violations.finish()?;
        let size = if size == 0 { PAGE } else { size };
        Ok(Self { start: start.unwrap_or_default(), size: size.unsigned_abs() as usize })
    }

    /// The entries of this part and the token of the next one.
    fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, String) {
        let end = self.start.saturating_add(self.size);
        let token = if end < all.len() { end.to_string() } else { String::new() };
        (all.into_iter().skip(self.start).take(self.size).collect(), token)
    }
}
