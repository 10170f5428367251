//! `transom demo`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;

use super::{FAILED, INTERNAL, failure_code, log, output};
use crate::config::load::parse;
use crate::config::value::address::parse_listen;
use crate::{app, demo};

/// The arguments of `transom demo`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// Where the gateway listens.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    address: SocketAddr,
    /// Where the backend listens [default: a port of this machine that is free].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_listen)]
    backend: Option<SocketAddr>,
    #[command(flatten)]
    log: log::Log,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.log.start();
    let format = arguments.log.format;
    let wanted = arguments.backend.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let backend = match start_backend(wanted) {
        Ok(address) => address,
        Err(error) => {
            return format
                .fail(&format!("The backend of the demo cannot listen on {wanted}: {error}."), INTERNAL);
        }
    };
    let text = format!(
        "listeners:\n  - address: {}\nupstreams:\n  demo: http://{backend}\nservices:\n  - bookstore.v1.*\n  - chat.v1.*\n{DASHBOARD}",
        arguments.address
    );
    let shown = text.clone();
    let origin = app::Origin {
        file: None,
        load: Box::new(move || {
            let no_variables = |_: &str| Err(std::env::VarError::NotPresent);
            parse("the demo's configuration", &text, Path::new(""), &no_variables)
        }),
        report: Box::new(move |problems| format.report(problems)),
    };
    let result = app::run(origin, |addresses| {
        if let Some(address) = addresses.first() {
            output::line(&introduction(*address, backend, &shown));
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(app::RunError::Refused) => ExitCode::from(FAILED),
        Err(error) => {
            let advice = match error {
                app::RunError::Listen(_) => {
                    "\nName another address, for example `transom demo --address 127.0.0.1:8090`."
                }
                app::RunError::Refused | app::RunError::System(_) => "",
            };
            format.fail(&format!("{error}{advice}"), failure_code(&error))
        }
    }
}

/// A route that answers with what two services say.
const DASHBOARD: &str = r#"routes:
  - path: /v1/dashboard/{name=shelves/*}
    method: GET
    aggregate:
      shelf: { call: bookstore.v1.Bookstore/GetShelf, request: { name: "{name}" } }
      books: { call: bookstore.v1.Bookstore/ListBooks, request: { parent: "{shelf.name}", order: PRICE }, select: [books.title] }
      talk: { call: chat.v1.Chat/ListMessages, when: "{room}", request: { room: "{room}" }, optional: true }
"#;

/// Runs the backend on a thread of its own until the process ends.
fn start_backend(address: SocketAddr) -> std::io::Result<SocketAddr> {
    let (send, receive) = mpsc::channel();
    let serve = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(send.send(Err(error))),
        };
        runtime.block_on(async {
            let listener = match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => listener,
                Err(error) => return drop(send.send(Err(error))),
            };
            let _ = send.send(listener.local_addr());
            if let Err(error) = demo::serve(listener).await {
                tracing::error!(%error, "the backend of the demo ended");
            }
        });
    };
    thread::Builder::new().name("backend".into()).spawn(serve)?;
    receive.recv().map_err(std::io::Error::other)?
}

fn introduction(address: SocketAddr, backend: SocketAddr, config: &str) -> String {
    let config: String = config.lines().map(|line| format!("    {line}\n")).collect();
    let url = format!("http://{address}");
    format!(
        "
A bookstore and a chat speak gRPC on {backend}; Transom makes them a REST API on {url}.

In a browser, a chat over WebSocket; open it twice and talk:

    {url}/chat

Try, in another terminal:

  List the books of a shelf, cheapest first:
    curl '{url}/v1/shelves/fiction/books?order=PRICE'

  Only some fields of one book:
    curl '{url}/v1/shelves/fiction/books/frankenstein?readMask=title,priceCents'

  Add a book: the path, the query and the body make one request message:
    curl '{url}/v1/shelves/fiction/books?bookId=new' --json '{{\"title\": \"New\", \"priceCents\": \"1200\"}}'

  A method without annotation, by its gRPC name:
    curl '{url}/bookstore.v1.Bookstore/CountBooks' --json '{{\"filter\": {{\"genres\": [\"SCIENCE_FICTION\"]}}}}'

  One answer from two services, of which one may fail:
    curl '{url}/v1/dashboard/shelves/crime?room=attic'

  An error, with the field that is wrong:
    curl '{url}/v1/shelves/fiction/books' --json '{{\"title\": 7}}'

  The same bookstore for SOAP clients, and the WSDL that they are generated from:
    curl '{url}/soap/bookstore.v1.Bookstore?wsdl'
    curl '{url}/soap/bookstore.v1.Bookstore' -H 'content-type: text/xml' --data-binary @examples/soap/legacy.xml

  A stream of answers: what is on a shelf, and then what changes, as server-sent events:
    curl -N '{url}/v1/shelves/crime:watch?includePresent=true&maxEvents=1' -H 'accept: text/event-stream'

  The same as lines; without the header it is an array:
    curl -N '{url}/v1/shelves/crime:watch?includePresent=true&maxEvents=1' -H 'accept: application/x-ndjson'

  A stream of requests: messages one behind the other, on lines or in an array:
    curl '{url}/v1/shelves/crime/books:import' --json '{{\"bookId\": \"a\", \"book\": {{\"title\": \"A\"}}}} {{\"bookId\": \"b\"}}'

  Streams in both directions: type wishes such as {{}} and Enter, each is answered at once; the end is Ctrl-D:
    curl -N -T . -X POST '{url}/v1/books:recommend' -H 'accept: application/x-ndjson'

  The same on a WebSocket, from the console of a browser on a page of {url}, such as {url}/v1/shelves:
    ws = new WebSocket('ws://{address}/v1/books:recommend'); ws.onmessage = m => console.log(m.data); ws.onopen = () => ws.send('{{}}')

The configuration of this gateway:

{config}
The same from the terminal: transom routes --upstream http://{backend}
Stop with Ctrl-C."
    )
}
