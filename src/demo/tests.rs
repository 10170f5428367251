use futures_util::StreamExt;
use prost::Message;
use prost_types::{Duration, FieldMask};
use tonic::client::Grpc;
use tonic::codegen::http;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{FileDescriptorResponse, ServerReflectionRequest};

use super::bookstore_v1::book::Edition;
use super::bookstore_v1::book_filter::Rating;
use super::bookstore_v1::bookstore_server::Bookstore;
use super::bookstore_v1::*;
use super::errors::{BadRequest, ResourceInfo, RichStatus};
use super::*;

const FRANKENSTEIN: &str = "shelves/fiction/books/frankenstein";

fn shop() -> Shop {
    Shop::new(seed::store())
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// The one detail of a status, after checking that it repeats the status.
fn detail<T: Message + Default>(status: &Status, type_name: &str) -> T {
    let rich = RichStatus::decode(status.details()).unwrap();
    assert_eq!((rich.code, rich.message.as_str()), (status.code().into(), status.message()));
    assert_eq!(rich.details.len(), 1);
    assert_eq!(rich.details[0].type_url, format!("type.googleapis.com/google.rpc.{type_name}"));
    T::decode(rich.details[0].value.as_slice()).unwrap()
}

fn violated_fields(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    detail::<BadRequest>(status, "BadRequest").field_violations.into_iter().map(|one| one.field).collect()
}

#[tokio::test]
async fn errors_carry_details() {
    let shop = shop();
    let get = GetBookRequest { name: "shelves/fiction/books/dune".into(), read_mask: None };
    let status = shop.get_book(Request::new(get)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "There is no Book shelves/fiction/books/dune.")
    );
    let resource: ResourceInfo = detail(&status, "ResourceInfo");
    assert_eq!(resource.resource_type, "bookstore.example/Book");
    assert_eq!(resource.resource_name, "shelves/fiction/books/dune");

    let book = Book { authors: vec![String::new()], price_cents: -1, rating: Some(5.5), ..Book::default() };
    let create = CreateBookRequest {
        parent: "shelves/fiction".into(),
        book_id: "empty".into(),
        book: Some(book),
        validate_only: false,
    };
    let status = shop.create_book(Request::new(create)).await.unwrap_err();
    assert_eq!(status.message(), "4 fields are wrong; the first: book.title must be 1 to 200 bytes long.");
    assert_eq!(
        violated_fields(&status),
        ["book.title", "book.authors[0]", "book.price_cents", "book.rating"]
    );

    let delete = DeleteShelfRequest { name: "shelves/crime".into(), force: false };
    let status = shop.delete_shelf(Request::new(delete)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.message(), "shelves/crime holds 1 books. Remove them first, or set force.");
}

#[tokio::test]
async fn filters_select_books() {
    let table: [(&str, BookFilter, &[&str]); 8] = [
        (
            "author",
            BookFilter { author: "Jules Verne".into(), ..Default::default() },
            &["vingt-mille-lieues"],
        ),
        ("genre", BookFilter { genres: vec![2, 3], ..Default::default() }, &["the-moonstone"]),
        (
            "price",
            BookFilter {
                price: Some(PriceRange { min_cents: Some(800), max_cents: Some(950) }),
                ..Default::default()
            },
            &["the-moonstone", "the-time-machine"],
        ),
        (
            "rating, 0 is one",
            BookFilter { rating: Some(Rating::MinRating(0.0)), ..Default::default() },
            &["frankenstein", "the-time-machine"],
        ),
        (
            "no rating",
            BookFilter { rating: Some(Rating::Unrated(true)), ..Default::default() },
            &["the-moonstone", "vingt-mille-lieues"],
        ),
        ("in print", BookFilter { in_print: Some(false), ..Default::default() }, &["the-time-machine"]),
        (
            "an empty subtitle is one",
            BookFilter { has_subtitle: Some(true), ..Default::default() },
            &["frankenstein", "vingt-mille-lieues"],
        ),
        (
            "length",
            BookFilter { max_length: Some(Duration { seconds: 77_400, nanos: 0 }), ..Default::default() },
            &[],
        ),
    ];
    let shop = shop();
    for (what, filter, expected) in table {
        let list = ListBooksRequest { filter: Some(filter), ..Default::default() };
        let books = shop.list_books(Request::new(list)).await.unwrap().into_inner().books;
        let found: Vec<_> = books.iter().map(|book| book.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let shop = shop();
    let (mut token, mut titles) = (String::new(), Vec::new());
    loop {
        let list = ListBooksRequest {
            page_size: 3,
            page_token: token,
            order: Order::Price.into(),
            read_mask: mask(&["title"]),
            ..Default::default()
        };
        let answer = shop.list_books(Request::new(list)).await.unwrap().into_inner();
        titles.extend(answer.books.into_iter().map(|book| book.title));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
        assert_eq!(token, "3");
    }
    assert_eq!(
        titles,
        ["The Time Machine", "The Moonstone", "Frankenstein", "Vingt mille lieues sous les mers"]
    );

    let list = ListShelvesRequest { page_size: 101, page_token: "x".into() };
    let status = shop.list_shelves(Request::new(list)).await.unwrap_err();
    assert_eq!(violated_fields(&status), ["page_size", "page_token"]);
}

#[tokio::test]
async fn update_masks_decide_what_changes() {
    let change = Book {
        name: FRANKENSTEIN.into(),
        title: "Frankenstein".into(),
        price_cents: 100,
        edition: Some(Edition::Paper(Paper { pages: 300, weight: 0.0 })),
        ..Book::default()
    };
    let update = |update_mask| {
        let request = UpdateBookRequest { book: Some(change.clone()), update_mask };
        async move { shop().update_book(Request::new(request)).await.map(tonic::Response::into_inner) }
    };

    let book = update(None).await.unwrap();
    assert_eq!((book.price_cents, book.rating), (100, Some(4.5)), "what is empty stays as it was");

    let book = update(mask(&["rating", "paper.pages"])).await.unwrap();
    assert_eq!((book.price_cents, book.rating), (1_250, None), "what is named is cleared");
    assert_eq!(book.edition, Some(Edition::Paper(Paper { pages: 300, weight: 0.25 })));

    let book = update(mask(&["*"])).await.unwrap();
    assert_eq!((book.price_cents, book.subtitle.as_deref(), book.labels.len()), (100, None, 0));
    assert_eq!(book.state(), State::Active, "what the store sets is not the caller's");
    assert!(book.create_time.is_some());

    let status = update(mask(&["state", "tilte"])).await.unwrap_err();
    assert_eq!(violated_fields(&status), ["update_mask", "update_mask"]);
    let bad: BadRequest = detail(&status, "BadRequest");
    assert_eq!(bad.field_violations[0].description, "names \"state\", which only the store sets");
    assert_eq!(bad.field_violations[1].description, "names \"tilte\", which is no field of a book");
}

#[tokio::test]
async fn a_life_of_a_book() {
    let shop = shop();
    let watch = WatchShelfRequest { name: "shelves/fiction".into(), ..Default::default() };
    let mut events = shop.watch_shelf(Request::new(watch)).await.unwrap().into_inner();

    let book = Book { title: "The Mummy!".into(), ..Book::default() };
    let mut create = CreateBookRequest {
        parent: "shelves/fiction".into(),
        book_id: "the-mummy".into(),
        book: Some(book),
        validate_only: true,
    };
    shop.create_book(Request::new(create.clone())).await.unwrap();
    create.validate_only = false;
    shop.create_book(Request::new(create.clone())).await.unwrap();
    let status = shop.create_book(Request::new(create)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);

    let name = "shelves/fiction/books/the-mummy";
    let archive = ArchiveBookRequest { name: name.into(), reason: "sold out".into() };
    let book = shop.archive_book(Request::new(archive)).await.unwrap().into_inner();
    assert_eq!((book.state(), book.labels["archived"].as_str()), (State::Archived, "sold out"));
    let purge = PurgeShelfRequest { name: "shelves/fiction".into() };
    assert_eq!(shop.purge_shelf(Request::new(purge)).await.unwrap().into_inner().removed, 1);

    for (kind, state) in [
        (book_event::Kind::Written, State::Active),
        (book_event::Kind::Written, State::Archived),
        (book_event::Kind::Removed, State::Archived),
    ] {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!((event.kind(), event.book.unwrap().state()), (kind, state));
    }
}

#[tokio::test]
async fn the_store_is_bounded() {
    let shop = shop();
    let create = |index: usize| CreateBookRequest {
        parent: "shelves/crime".into(),
        book_id: format!("copy-{index}"),
        book: Some(Book { title: "Copy".into(), ..Book::default() }),
        validate_only: false,
    };
    for index in 4..500 {
        shop.create_book(Request::new(create(index))).await.unwrap();
    }
    let status = shop.create_book(Request::new(create(500))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "The store holds 500 books, which is all it takes.");

    let book = Book { name: FRANKENSTEIN.into(), cover_digest: vec![0; 16 << 10], ..Book::default() };
    let update = UpdateBookRequest { book: Some(book), update_mask: None };
    let status = shop.update_book(Request::new(update)).await.unwrap_err();
    assert_eq!(violated_fields(&status), ["book"]);
}

#[tokio::test]
async fn it_is_served_with_reflection() {
    let backend = start(Kind::Bookstore);
    let channel =
        Channel::from_shared(format!("http://{}", backend.address())).unwrap().connect().await.unwrap();

    let ask = |message_request| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(message_request) };
        let mut client = ServerReflectionClient::new(channel.clone());
        async move {
            let answers = client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap();
            answers.into_inner().next().await.unwrap().unwrap().message_response.unwrap()
        }
    };
    let MessageResponse::ListServicesResponse(list) = ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("not a list of services");
    };
    let services: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(services, ["bookstore.v1.Bookstore", "chat.v1.Chat"]);
    let symbol = MessageRequest::FileContainingSymbol("bookstore.v1.Bookstore".into());
    let MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: files }) =
        ask(symbol).await
    else {
        panic!("not a file");
    };
    let set = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let file = prost_types::FileDescriptorProto::decode(files[0].as_slice()).unwrap();
    assert_eq!(set.file.last(), Some(&file));
    let annotation = b"/v1/{name=shelves/*}:watch";
    assert!(files[0].windows(annotation.len()).any(|bytes| bytes == annotation), "the annotations are kept");

    let call = async |path: &'static str| {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetShelfRequest, Shelf>::default();
        let request = GetShelfRequest { name: "shelves/fiction".into() };
        client.unary(Request::new(request), http::uri::PathAndQuery::from_static(path), codec).await
    };
    let shelf = call("/bookstore.v1.Bookstore/GetShelf").await.unwrap().into_inner();
    assert_eq!((shelf.title.as_str(), shelf.book_count), ("Fiction", 3));
    let status = call("/shop.v1.Shop/Get").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(
        status.message(),
        "This backend has no method /shop.v1.Shop/Get. It serves bookstore.v1.Bookstore, chat.v1.Chat, \
         grpc.health.v1.Health, grpc.reflection.v1.ServerReflection, grpc.reflection.v1alpha.ServerReflection."
    );
}

fn start(kind: Kind) -> Backend {
    Backend::start(kind, "127.0.0.1:0".parse().unwrap(), &World::default()).unwrap()
}

/// A call of an own connection, with the error that it ends with.
async fn called(backend: &Backend) -> Result<Shelf, Status> {
    let channel = Channel::from_shared(format!("http://{}", backend.address())).unwrap().connect().await;
    let mut client = Grpc::new(channel.map_err(|error| Status::unavailable(error.to_string()))?);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = http::uri::PathAndQuery::from_static("/bookstore.v1.Bookstore/GetShelf");
    let request = Request::new(GetShelfRequest { name: "shelves/fiction".into() });
    Ok(client.unary(request, path, tonic_prost::ProstCodec::default()).await?.into_inner())
}

#[tokio::test]
async fn a_backend_is_broken_and_comes_back() {
    let world = World::default();
    let backend = Backend::start(Kind::Bookstore, "127.0.0.1:0".parse().unwrap(), &world).unwrap();
    assert_eq!(called(&backend).await.unwrap().title, "Fiction");

    // What it answers is told by its own text, and health checks go on.
    backend.set(Health::Failing).unwrap();
    let status = called(&backend).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "This backend was told to fail."));

    backend.set(Health::Slow).unwrap();
    let start = tokio::time::Instant::now();
    called(&backend).await.unwrap();
    assert!(start.elapsed() >= SLOWER_BY);

    // It is connected to, and does not answer until it goes on.
    backend.set(Health::Hanging).unwrap();
    let mut call = std::pin::pin!(called(&backend));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), &mut call).await.is_err());
    backend.set(Health::Well).unwrap();
    assert_eq!(call.await.unwrap().title, "Fiction");

    // The connections that there are break with it, and its port is closed.
    let stream = tokio::net::TcpStream::connect(backend.address()).await.unwrap();
    called(&backend).await.unwrap();
    backend.set(Health::Gone).unwrap();
    let mut stream = stream;
    let mut rest = Vec::new();
    // Its settings may have come before; then the end comes, in whatever form.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert_eq!(called(&backend).await.unwrap_err().code(), Code::Unavailable);

    // What the world knows outlives it.
    let shelf = Shelf { name: "shelves/new".into(), title: "New".into(), book_count: 0 };
    world.bookstore.store().add_shelf(shelf).unwrap();
    backend.set(Health::Well).unwrap();
    assert_eq!(called(&backend).await.unwrap().title, "Fiction");
}

#[tokio::test]
async fn each_kind_serves_its_services_and_is_checked() {
    for (kind, services) in [
        (Kind::Users, &["users.v1.Users", "users.v2.Users"][..]),
        (Kind::Orders, &["orders.v1.Orders"]),
        (Kind::Offers, &["offers.v1.Offers"]),
        (Kind::Pages, &["pages.v1.Pages"]),
    ] {
        let backend = start(kind);
        let url = format!("http://{}", backend.address());
        let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel.clone());
        let answers = client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap();
        let answer = answers.into_inner().next().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("not a list of services") };
        let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
        assert_eq!(names, services);

        for (service, expected) in [("", Code::Ok), (services[0], Code::Ok), ("chat.v1.Chat", Code::NotFound)]
        {
            let mut client = Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
            let codec = tonic_prost::ProstCodec::<services::CheckRequest, services::CheckResponse>::default();
            let request = services::CheckRequest { service: service.to_owned() };
            let answer = client.unary(Request::new(request), path, codec).await;
            let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
            assert_eq!(code, expected, "{service}");
            if let Ok(answer) = answer {
                assert_eq!(answer.into_inner().status, 1);
            }
        }
    }
}
