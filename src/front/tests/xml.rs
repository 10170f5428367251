//! XML in requests, answers, errors and streams.

use super::streams::{failed, streaming};
use super::*;

const ALL: [Dialect; 2] = [Dialect::Rest, Dialect::Xml];
const XML: &str = "application/xml";

fn setting() -> Setting {
    Setting::speaking(&ALL)
}

/// A setting whose backend gives this reply.
fn replying(reply: Reply) -> Setting {
    let setting = setting();
    *setting.backend.reply.lock().unwrap() = Some(reply);
    setting
}

fn everything(content: &str) -> String {
    format!("<Everything xmlns=\"urn:echo.v1\">{content}</Everything>")
}

impl Seen {
    #[track_caller]
    fn is(&self, status: u16, content_type: &str, body: &str) {
        let found = (self.status, self.header("content-type"), &*String::from_utf8_lossy(&self.body));
        assert_eq!(found, (status, Some(content_type), body));
    }

    /// An error as the element `Status`.
    #[track_caller]
    fn is_xml_error(&self, status: u16, code: u8, message: &str) {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!((self.status, self.header("content-type")), (status, Some(XML)), "{text}");
        let start =
            format!("<Status xmlns=\"urn:google.rpc\"><code>{code}</code><message>{message}</message>");
        assert!(text.starts_with(&start) && text.ends_with("</Status>"), "{text}");
    }
}

#[tokio::test]
async fn requests_and_answers_are_mixed_as_the_caller_likes() {
    let (json_body, xml_body) = (r#"{"string":"a"}"#.to_owned(), everything("<string>a</string>"));
    let (json, old) = ("application/json", "text/xml; charset=utf-8");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str, Dialect);
    let table: [Row<'_>; 9] = [
        (&[("content-type", XML)], &xml_body, XML, Dialect::Xml),
        (&[("content-type", "text/xml")], &xml_body, old, Dialect::Xml),
        (&[("content-type", XML), ("accept", "*/*")], &xml_body, XML, Dialect::Xml),
        (&[("content-type", "application/vnd.echo+xml; charset=utf-8")], &xml_body, XML, Dialect::Xml),
        (&[("content-type", XML), ("accept", json)], &xml_body, json, Dialect::Xml),
        (&[("content-type", json), ("accept", XML)], &json_body, XML, Dialect::Xml),
        (&[("accept", "text/xml, application/json;q=0.5")], &json_body, old, Dialect::Xml),
        (&[("accept", "application/json, application/xml")], &json_body, json, Dialect::Rest),
        (&[("accept", "text/html, application/xml;q=0.9, */*;q=0.8")], &json_body, json, Dialect::Rest),
    ];
    for (headers, body, content_type, dialect) in table {
        let setting = setting();
        let seen = setting.post(headers, body).await;
        seen.is(200, content_type, if content_type == json { &json_body } else { &xml_body });
        assert_eq!(seen.header("vary"), Some("accept"));
        assert_eq!(setting.call().origin.dialect, dialect, "{headers:?}");
    }
}

#[tokio::test]
async fn json_on_a_methods_own_path_is_no_connect_where_xml_is_asked_for() {
    let setting = Setting::speaking(&Dialect::ALL);
    let seen = setting
        .send(request("POST", "/echo.v1.Echo/Echo", &[("content-type", "application/json")], "{}"))
        .await;
    assert_eq!((seen.status, seen.header("content-type")), (200, Some("application/json")));
    let headers = [("content-type", "application/json"), ("accept", XML)];
    let seen = setting.send(request("POST", "/echo.v1.Echo/Echo", &headers, "{}")).await;
    seen.is_xml_error(404, 12, "There is no route for POST /echo.v1.Echo/Echo.");
}

#[tokio::test]
async fn a_body_is_read_in_its_encoding() {
    let text = everything("<string>é</string>");
    let latin: Vec<u8> = text.chars().map(|char| char as u8).collect();
    let wide: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (content_type, body) in [
        ("application/xml", text.clone().into_bytes()),
        ("text/xml; charset=\"ISO-8859-1\"", latin.clone()),
        ("application/xml", [b"<?xml version='1.0' encoding='iso-8859-1'?>", &*latin].concat()),
        ("application/xml; charset=utf-16", wide.clone()),
        ("application/xml", wide),
    ] {
        let setting = setting();
        let body = Full::new(Bytes::from(body));
        let seen = setting.send(with_body("POST", "/echo", &[("content-type", content_type)], body)).await;
        assert_eq!(seen.status, 200, "{content_type} {seen:?}");
        assert_eq!(setting.message(), json!({"string": "é"}));
    }
    let seen =
        setting().send(with_body("POST", "/echo", &[("content-type", XML)], Full::new(latin.into()))).await;
    let place = "at line 1, column 41";
    seen.is_xml_error(
        400,
        3,
        &format!("The request body is not valid: the text is not UTF-8, which is what text without any other mark must be, {place}."),
    );
    let seen = setting().post(&[("content-type", "text/xml; charset=ebcdic")], &text).await;
    assert_eq!((seen.status, seen.header("content-type")), (415, Some("text/xml; charset=utf-8")));
}

#[tokio::test]
async fn a_body_for_one_field_is_the_message_of_that_field() {
    let setting = setting();
    let body = everything("<int32>5</int32>");
    let seen = setting.send(request("PUT", "/echo/x", &[("content-type", XML)], &body)).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(setting.message(), json!({"string": "x", "child": {"int32": 5}}));
    let seen = setting
        .send(request("PUT", "/echo/x", &[("content-type", XML)], &everything("<int32>y</int32>")))
        .await;
    let what = "child.int32: a signed 32-bit integer is needed, found text that is no number, in &lt;int32&gt; at line 1, column 33";
    seen.is_xml_error(400, 3, &format!("The request body is not valid: {what}."));
    assert!(
        String::from_utf8_lossy(&seen.body)
            .contains("<BadRequest xmlns=\"urn:google.rpc\"><fieldViolations>")
    );
}

#[tokio::test]
async fn errors_are_in_xml_where_it_is_asked_for() {
    let accept = [("accept", XML)];
    let setting = setting();
    setting.send(request("GET", "/nowhere", &accept, "")).await.is_xml_error(
        404,
        12,
        "There is no route for GET /nowhere.",
    );
    let seen = setting.send(request("DELETE", "/echo", &accept, "")).await;
    seen.is_xml_error(405, 12, "This path does not answer DELETE. It answers OPTIONS, POST.");
    assert_eq!(seen.header("allow"), Some("OPTIONS, POST"));
    let seen = setting.send(request("GET", "/echo/%zz", &accept, "")).await;
    assert_eq!((seen.status, seen.header("content-type")), (400, Some(XML)));
    replying(Reply::from(failed())).send(request("GET", "/echo/x", &accept, "")).await.is_xml_error(
        404,
        5,
        "no such \"thing\"",
    );
    // And not where it is not.
    setting.get("/nowhere").await.is_error(404, 12, "There is no route for GET /nowhere.");
    let headers = [("content-type", XML), ("accept", "application/json")];
    let seen = setting.post(&headers, "<Everything>").await;
    seen.is_error(400, 3, "The request body is not valid: the text ends before </Everything>, in <Everything> at line 1, column 13.");
}

#[tokio::test]
async fn a_service_without_xml_refuses_it() {
    let setting = Setting::new();
    let seen = setting.post(&[("content-type", XML)], &everything("")).await;
    seen.is_error(
        415,
        3,
        "The content type \"application/xml\" is not supported here. Send application/json, or a form as \
         application/x-www-form-urlencoded or multipart/form-data.",
    );
    let seen = setting.post(&[("accept", XML)], "{}").await;
    seen.is_error(406, 3, "This service does not answer in XML. Accept application/json.");
    assert!(!setting.was_called());
    for accept in ["application/xml, */*;q=0.1", "application/xml, application/json;q=0.1"] {
        let seen = setting.post(&[("accept", accept)], "{}").await;
        assert_eq!((seen.status, seen.header("content-type")), (200, Some("application/json")), "{accept}");
        assert_eq!(seen.header("vary"), None);
    }
}

#[tokio::test]
async fn a_service_of_xml_alone_answers_in_it() {
    let setting = Setting::speaking(&[Dialect::Xml]);
    let seen = setting.get("/echo/a").await;
    seen.is(200, XML, &everything("<string>a</string>"));
    for headers in [
        &[("content-type", "application/json")][..],
        &[("content-type", "application/x-www-form-urlencoded")],
    ] {
        let seen = setting.post(headers, "{}").await;
        seen.is_xml_error(
            415,
            3,
            &format!("The content type \"{}\" is not supported here. Send application/xml.", headers[0].1),
        );
    }
    setting.post(&[], "{}").await.is_xml_error(415, 3, "The body has no content type. Send application/xml.");
}

#[tokio::test]
async fn streams_are_one_element_with_the_messages() {
    let message = |text: &str| everything(&format!("<string>{text}</string>"));
    let start = "<stream xmlns=\"urn:transom\">\n";
    let failure = "<error><Status xmlns=\"urn:google.rpc\"><code>5</code><message>no such \"thing\"</message></Status></error>";
    let table = [
        (streaming(&[], Status::ok()), format!("{start}</stream>\n")),
        (
            streaming(&["a", "b"], Status::ok()),
            format!("{start}{}\n{}\n</stream>\n", message("a"), message("b")),
        ),
        (streaming(&["a"], failed()), format!("{start}{}\n{failure}\n</stream>\n", message("a"))),
    ];
    for (reply, expected) in table {
        let seen = replying(reply).send(request("GET", "/watch/x", &[("accept", XML)], "")).await;
        seen.is(200, XML, &expected);
    }
    let seen =
        replying(streaming(&[], failed())).send(request("GET", "/watch/x", &[("accept", XML)], "")).await;
    seen.is_xml_error(404, 5, "no such \"thing\"");
}

#[tokio::test]
async fn the_messages_of_an_upload_are_children_of_any_element() {
    let body = "<?xml version='1.0'?>\n<all xmlns:e='urn:echo.v1'><e:Everything><e:int32>1</e:int32></e:Everything>\n\
                <Everything xmlns='urn:echo.v1'><string>b</string></Everything><!-- --></all>\n";
    for size in [1, 7, 1000] {
        let setting = setting();
        let pieces = body
            .as_bytes()
            .chunks(size)
            .map(|piece| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::copy_from_slice(piece))));
        let pieces = http_body_util::StreamBody::new(futures_util::stream::iter(pieces.collect::<Vec<_>>()));
        let seen = setting.send(with_body("POST", "/gather", &[("content-type", XML)], pieces)).await;
        seen.is(200, XML, &everything("<int32>1</int32><string>b</string>"));
        assert_eq!(setting.message(), json!({"int32": 1, "string": "b"}));
    }
    let wrong = [
        (
            "<all><Everything/>\n<Everything>\n<int32>x</int32></Everything></all>",
            "Message 2 of the stream: The request body is not valid: int32: a signed 32-bit integer is needed, found text that is no number, in &lt;int32&gt; at line 2, column 1.",
        ),
        (
            "<all><Everything/>",
            "The request body is not a stream of XML messages: the stream ends before message 2 is complete and the root element is closed.",
        ),
        (
            "<!DOCTYPE a><all/>",
            "The request body is not a stream of XML messages: a document type declaration (DTD) is not allowed.",
        ),
    ];
    for (body, message) in wrong {
        setting()
            .send(request("POST", "/gather", &[("content-type", XML)], body))
            .await
            .is_xml_error(400, 3, message);
    }
    let headers = [("content-type", "application/xml; charset=utf-16")];
    let seen = setting().send(request("POST", "/gather", &headers, "<a/>")).await;
    seen.is_xml_error(415, 3, "The content type \"application/xml; charset=utf-16\" is not supported here. Send a stream of XML in UTF-8.");
    let long = format!("<all><Everything><string>{}</string></Everything></all>", "a".repeat(1000));
    let seen = setting().send(request("POST", "/gather", &[("content-type", XML)], &long)).await;
    seen.is_xml_error(413, 8, "The request body is not a stream of XML messages: message 1 of the stream is longer than 1000 bytes.");
}
