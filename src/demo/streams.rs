//! The methods of the bookstore that stream.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tonic::Status;

use super::bookstore_v1::*;
use super::errors::{self, Violations};
use super::service::Shop;
use super::{filter, names};

/// How many messages one import or conversation may have.
const MAX_MESSAGES: usize = 1_000;

/// How many failures of an import are told one by one.
const MAX_FAILURES: usize = 20;

/// The books that are there, if they are asked for, and then the changes as they happen.
pub(super) fn watch(
    shop: &Shop,
    request: &WatchShelfRequest,
) -> Result<impl Stream<Item = Result<BookEvent, Status>> + Send + 'static, Status> {
    let mut violations = Violations::default();
    violations.require(request.max_events >= 0, "max_events", "must not be negative");
    violations.finish()?;
    let shelf = request.name.clone();
    let store = shop.store();
    store.shelf(&shelf)?;
    let changes = shop.changes();
    let present =
        |book: &Book| BookEvent { kind: book_event::Kind::Present.into(), book: Some(book.clone()) };
    let there: Vec<_> = if request.include_present {
        store.books_on(&shelf).map(|book| Ok(present(book))).collect()
    } else {
        Vec::new()
    };
    let limit = match request.max_events {
        0 => usize::MAX,
        count => count.unsigned_abs() as usize,
    };
    Ok(stream::iter(there).chain(stream::try_unfold((changes, shelf), next_change)).take(limit))
}

type Watching = (Receiver<BookEvent>, String);

/// Waits for the next change of a shelf's books.
async fn next_change((mut changes, shelf): Watching) -> Result<Option<(BookEvent, Watching)>, Status> {
    loop {
        match changes.recv().await {
            Ok(event) if event.book.as_ref().is_some_and(|book| names::shelf_of(&book.name) == shelf) => {
                return Ok(Some((event, (changes, shelf))));
            }
            Ok(_) => {}
            Err(RecvError::Closed) => return Ok(None),
            Err(RecvError::Lagged(missed)) => {
                return Err(Status::data_loss(format!(
                    "The watcher was too slow and missed {missed} changes. List the books and watch again."
                )));
            }
        }
    }
}

/// Adds the books as they come and counts them.
pub(super) async fn import(
    shop: &Shop,
    requests: impl Stream<Item = Result<ImportBooksRequest, Status>> + Send,
) -> Result<ImportBooksResponse, Status> {
    let mut requests = pin!(requests);
    let mut response = ImportBooksResponse::default();
    let (mut shelf, mut message) = (None, 0);
    while let Some(request) = requests.try_next().await? {
        message += 1;
        check_count(message)?;
        if shelf.is_none() {
            shop.store().shelf(&request.parent)?;
        }
        let shelf = shelf.get_or_insert_with(|| request.parent.clone());
        let (book_id, outcome) = import_one(shop, shelf, request);
        let Err(reason) = outcome else {
            response.added += 1;
            continue;
        };
        response.refused += 1;
        if response.failures.len() < MAX_FAILURES {
            let (message, reason) = (message.try_into().unwrap_or(i32::MAX), reason.message().to_owned());
            response.failures.push(ImportFailure { message, book_id, reason });
        }
    }
    Ok(response)
}

fn import_one(shop: &Shop, shelf: &str, request: ImportBooksRequest) -> (String, Result<(), Status>) {
    let ImportBooksRequest { parent, book_id, book } = request;
    let add = || {
        let mut violations = Violations::default();
        violations.require(
            parent.is_empty() || parent == shelf,
            "parent",
            "must be that of the first message, or left out",
        );
        names::check_id("book_id", &book_id, &mut violations);
        violations.finish()?;
        let book = Book { name: names::book(shelf, &book_id), ..book.unwrap_or_default() };
        let mut store = shop.store();
        let book = store.add_book(book, false)?;
        shop.announce(book_event::Kind::Written, &book);
        Ok(())
    };
    let outcome = add();
    (book_id, outcome)
}

/// Counts what comes, and notes the number of words as a label of the book if that is asked for.
pub(super) async fn count_words(
    shop: &Shop,
    requests: impl Stream<Item = Result<CountWordsRequest, Status>> + Send,
) -> Result<CountWordsResponse, Status> {
    let mut requests = pin!(requests);
    let mut response = CountWordsResponse::default();
    let (mut first, mut in_word) = (None, false);
    while let Some(request) = requests.try_next().await? {
        for byte in &request.text {
            let is_space = byte.is_ascii_whitespace();
            response.words += i64::from(!is_space && !in_word);
            in_word = !is_space;
        }
        response.messages += 1;
        response.bytes = response.bytes.saturating_add(request.text.len().try_into().unwrap_or(i64::MAX));
        if first.is_none() {
            shop.store().book(&request.name)?;
            first = Some((request.name, request.label));
        }
    }
    if let Some((name, label)) = first.filter(|(_, label)| !label.is_empty()) {
        let mut store = shop.store();
        let mut book = store.book(&name)?.clone();
        book.labels.insert(label, response.words.to_string());
        let book = store.change_book(book)?;
        shop.announce(book_event::Kind::Written, &book);
    }
    Ok(response)
}

/// Answers each wish as it comes, until the caller has no more.
pub(super) fn recommend(
    shop: Shop,
    requests: impl Stream<Item = Result<RecommendBooksRequest, Status>> + Send + 'static,
) -> impl Stream<Item = Result<RecommendBooksResponse, Status>> + Send + 'static {
    let mut named = BTreeSet::new();
    let mut messages = 0;
    requests.map(move |request| {
        messages += 1;
        check_count(messages)?;
        let wanted = request?.filter.unwrap_or_default();
        let mut violations = Violations::default();
        filter::check(&wanted, &mut violations);
        violations.finish()?;
        let store = shop.store();
        let mut fitting: Vec<_> =
            store.filtered(&wanted).filter(|book| !named.contains(&book.name)).collect();
        // Those without a rating come last, and equals by name.
        fitting.sort_by(|one, other| {
            let rating = |book: &Book| book.rating.unwrap_or(-1.0);
            rating(other).total_cmp(&rating(one))
        });
        let book = fitting.first().copied().cloned();
        named.extend(book.iter().map(|book| book.name.clone()));
        let others = fitting.len().saturating_sub(1).try_into().unwrap_or(i32::MAX);
        Ok(RecommendBooksResponse { book, others })
    })
}

/// RESOURCE_EXHAUSTED for a message beyond the last.
fn check_count(message: usize) -> Result<(), Status> {
    if message <= MAX_MESSAGES {
        return Ok(());
    }
    Err(errors::too_many(MAX_MESSAGES))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::UnboundedReceiverStream;
    use tonic::Code;

    use super::super::bookstore_v1::book_filter::Rating;
    use super::super::seed;
    use super::*;

    fn book(parent: &str, id: &str, title: &str) -> ImportBooksRequest {
        let book = Book { title: title.into(), ..Book::default() };
        ImportBooksRequest { parent: parent.into(), book_id: id.into(), book: Some(book) }
    }

    async fn imported(
        shop: &Shop,
        requests: impl IntoIterator<Item = ImportBooksRequest, IntoIter: Send>,
    ) -> Result<ImportBooksResponse, Status> {
        import(shop, stream::iter(requests.into_iter().map(Ok))).await
    }

    #[tokio::test]
    async fn an_import_adds_what_it_can_and_says_why_not() {
        let shop = Shop::new(seed::store());
        let requests = [
            book("shelves/crime", "one", "One"),
            book("", "one", "One again"),
            book("shelves/fiction", "two", "Two"),
            book("shelves/crime", "three", ""),
            book("shelves/crime", "four", "Four"),
        ];
        let response = imported(&shop, requests).await.unwrap();
        assert_eq!((response.added, response.refused), (2, 3));
        let failures: Vec<_> =
            response.failures.iter().map(|one| (one.message, &*one.book_id, &*one.reason)).collect();
        let expected = [
            (2, "one", "There is a Book shelves/crime/books/one already."),
            (3, "two", "The field parent must be that of the first message, or left out."),
            (4, "three", "The field book.title must be 1 to 200 bytes long."),
        ];
        assert_eq!(failures, expected);
        assert!(shop.store().book("shelves/crime/books/four").is_ok());

        let status = imported(&shop, [book("shelves/none", "x", "X")]).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(imported(&shop, []).await.unwrap(), ImportBooksResponse::default());
    }

    #[tokio::test]
    async fn an_import_is_bounded() {
        let shop = Shop::new(seed::store());
        let copies = |count| (0..count).map(|_| book("shelves/crime", "-bad-", ""));
        let response = imported(&shop, copies(1_000)).await.unwrap();
        assert_eq!((response.refused, response.failures.len()), (1_000, 20));
        let status = imported(&shop, copies(1_001)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "One stream may have 1000 messages. Send the others in another call.");
    }

    #[tokio::test]
    async fn words_are_counted_over_the_borders_of_messages() {
        let shop = Shop::new(seed::store());
        let name = "shelves/fiction/books/frankenstein";
        let piece = |name: &str, label: &str, text: &str| CountWordsRequest {
            name: name.into(),
            label: label.into(),
            text: text.as_bytes().to_vec(),
        };
        let counted = async |requests: Vec<CountWordsRequest>| {
            count_words(&shop, stream::iter(requests.into_iter().map(Ok))).await
        };
        let pieces = vec![piece(name, "words", " one t"), piece("", "", "wo\nthree"), piece("", "", " ")];
        let expected = CountWordsResponse { words: 3, bytes: 15, messages: 3 };
        assert_eq!(counted(pieces).await.unwrap(), expected);
        assert_eq!(shop.store().book(name).unwrap().labels["words"], "3");
        assert_eq!(counted(vec![]).await.unwrap(), CountWordsResponse::default());
        let status = counted(vec![piece("shelves/none/books/x", "", "a")]).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let status = counted(vec![piece(name, &"x".repeat(20_000), "a")]).await.unwrap_err();
        assert_eq!(status.message(), "The field book must not be larger than 16 KiB.");
    }

    #[tokio::test]
    async fn each_wish_is_answered_before_the_next() {
        let (wishes, requests) = mpsc::unbounded_channel();
        let mut answers = pin!(recommend(Shop::new(seed::store()), UnboundedReceiverStream::new(requests)));
        let min_rating =
            |rating| BookFilter { rating: Some(Rating::MinRating(rating)), ..BookFilter::default() };
        let table = [
            (None, Some("frankenstein"), 3),
            (Some(min_rating(0.0)), Some("the-time-machine"), 0),
            (Some(min_rating(4.0)), None, 0),
            (None, Some("the-moonstone"), 1),
        ];
        for (filter, expected, others) in table {
            wishes.send(Ok(RecommendBooksRequest { filter })).unwrap();
            let answer = answers.next().await.unwrap().unwrap();
            let id = answer.book.as_ref().and_then(|book| book.name.rsplit('/').next());
            assert_eq!((id, answer.others), (expected, others));
        }
        let filter = Some(min_rating(6.0));
        wishes.send(Ok(RecommendBooksRequest { filter })).unwrap();
        let status = answers.next().await.unwrap().unwrap_err();
        assert_eq!(status.message(), "The field filter.min_rating must lie between 0 and 5.");
        drop(wishes);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn a_watch_begins_with_what_is_there_and_ends_when_asked() {
        let shop = Shop::new(seed::store());
        let request =
            WatchShelfRequest { name: "shelves/crime".into(), include_present: true, max_events: 2 };
        let events = watch(&shop, &request).unwrap();
        imported(&shop, [book("shelves/crime", "one", "One"), book("", "two", "Two")]).await.unwrap();
        let events: Vec<_> = events.try_collect().await.unwrap();
        let seen: Vec<_> =
            events.iter().map(|event| (event.kind(), &*event.book.as_ref().unwrap().title)).collect();
        assert_eq!(seen, [(book_event::Kind::Present, "The Moonstone"), (book_event::Kind::Written, "One")]);

        let status = watch(&shop, &WatchShelfRequest { max_events: -1, ..request }).err().unwrap();
        assert_eq!(status.message(), "The field max_events must not be negative.");
    }
}
