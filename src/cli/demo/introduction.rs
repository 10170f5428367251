//! What the demo prints: requests to try, keys to type, the configuration.

use std::net::SocketAddr;

use super::keys;
use super::setting::Setting;

/// All of it, for a gateway that listens on this address.
pub(super) fn text(address: SocketAddr, setting: &Setting) -> String {
    let config: String = setting.configuration().lines().map(|line| format!("    {line}\n")).collect();
    let url = format!("http://{address}");
    let copies: Vec<_> = setting.copies.iter().map(SocketAddr::to_string).collect();
    let (copies, first) = (copies.join(", "), &copies[0]);
    let shop: Vec<_> = setting.shop.iter().map(|(name, address)| format!("{name} on {address}")).collect();
    let shop = shop.join(", ");
    let keys = keys::HELP;
    let admin = setting.admin.map_or_else(String::new, |admin| {
        format!("\nOperators: http://{admin}/upstreams, http://{admin}/metrics\n")
    });
    format!(
        "
A bookstore and a chat speak gRPC on {copies}; Transom makes them a REST API on {url}.
So do the services of a shop: {shop}.
{admin}
In a browser, a chat over WebSocket, which is to be opened twice, and a dashboard that fills itself:

    {url}/chat
    {url}/dashboard

Keys, here: {keys}.
The services of the shop have names: `k offers`. The dashboard shows what becomes of it.

Try, in another terminal:

  List the books of a shelf, cheapest first:
    curl '{url}/v1/shelves/fiction/books?order=PRICE'

  Only some fields of one book:
    curl '{url}/v1/shelves/fiction/books/frankenstein?readMask=title,priceCents'

  Add a book: the path, the query and the body make one request message:
    curl '{url}/v1/shelves/fiction/books?bookId=new' --json '{{\"title\": \"New\", \"priceCents\": \"1200\"}}'

  A method without annotation, by its gRPC name:
    curl '{url}/bookstore.v1.Bookstore/CountBooks' --json '{{\"filter\": {{\"genres\": [\"SCIENCE_FICTION\"]}}}}'

  One answer from three services, of which two may fail:
    curl '{url}/v1/dashboard/ada'

  The same part by part, and three changes of prices; without `changes` they have no end:
    curl -N '{url}/v1/dashboard/ada?live=true&changes=3' -H 'accept: text/event-stream'

  A user as the first version of the service tells it, which is translated and has an end, and as the second does:
    curl -i '{url}/v1/users/ada' '{url}/v2/users/ada'

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
The same from the terminal: transom routes --upstream http://{first}
Stop with Ctrl-C."
    )
}
