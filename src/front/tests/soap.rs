//! SOAP: which envelopes are calls, what is said of those that are not, and the form of each answer.

use http::header::AUTHORIZATION;

use super::*;
use crate::call::Message;
use crate::call::credential::Credential;
use crate::tls::session::Session;

const PATH: &str = "/soap/echo.v1.Echo";
const ONE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const TWO: &str = "http://www.w3.org/2003/05/soap-envelope";
const XML: (&str, &str) = ("content-type", "text/xml; charset=utf-8");
const SOAP_XML: (&str, &str) = ("content-type", "application/soap+xml; charset=utf-8");
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// An envelope of SOAP 1.1 around what stands in it.
fn envelope(inside: &str) -> String {
    format!("<s:Envelope xmlns:s=\"{ONE}\">{inside}</s:Envelope>")
}

fn body(inside: &str) -> String {
    envelope(&format!("<s:Body>{inside}</s:Body>"))
}

/// A call of Echo with what stands in the message.
fn echo(inside: &str) -> String {
    body(&format!("<Echo xmlns=\"urn:echo.v1.Echo\">{inside}</Echo>"))
}

/// The same with headers, in the version of SOAP with this namespace.
fn with_header(namespace: &str, header: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{namespace}\"><s:Header>{header}</s:Header><s:Body><e:Echo xmlns:e=\"urn:echo.v1.Echo\"/>\
         </s:Body></s:Envelope>"
    )
}

impl Setting {
    async fn soap(&self, headers: &[(&str, &str)], body: &str) -> Seen {
        self.send(request("POST", PATH, headers, body)).await
    }

    /// The status, the code and the reason of the fault that answers an envelope.
    async fn fault(&self, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let answer = self.soap(headers, body).await;
        assert!(!self.was_called(), "{answer:?}");
        answer.fault()
    }
}

impl Seen {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn between(&self, start: &str, end: &str) -> String {
        let found = self.text().split_once(start).and_then(|(_, rest)| rest.split_once(end));
        found.unwrap_or_else(|| panic!("no {start}: {}", self.text())).0.to_owned()
    }

    #[track_caller]
    fn fault(&self) -> (u16, String, String) {
        let (code, reason) = if self.text().contains(&format!("xmlns:soap=\"{ONE}\"")) {
            assert_eq!(self.header("content-type"), Some("text/xml; charset=utf-8"));
            (self.between("<faultcode>", "</faultcode>"), self.between("<faultstring>", "</faultstring>"))
        } else {
            assert_eq!(self.header("content-type"), Some("application/soap+xml; charset=utf-8"));
            (
                self.between("<soap:Value>", "</soap:Value>"),
                self.between("<soap:Text xml:lang=\"en\">", "</soap:Text>"),
            )
        };
        (self.status, code, reason.replace("&lt;", "<").replace("&gt;", ">"))
    }
}

#[tokio::test]
async fn an_envelope_is_a_call_and_its_answer_is_one_too() {
    let setting = Setting::new();
    for (namespace, content_type) in [(ONE, XML), (TWO, SOAP_XML), (ONE, SOAP_XML), (TWO, XML)] {
        let text = format!(
            "\u{feff}<?xml version=\"1.0\"?><!-- c --><?p i?>\n<s:Envelope xmlns:s=\"{namespace}\"><s:Body><!-- c -->\
             <e:Echo xmlns:e=\"urn:echo.v1.Echo\"><e:string>a&amp;<![CDATA[b]]></e:string><int32>-1</int32><e:child>\
             <p:string xmlns:p=\"urn:echo.v1\">c</p:string></e:child></e:Echo><?p i?></s:Body></s:Envelope>\n<!-- end -->"
        );
        let headers = [content_type, ("x-request-timeout", "5"), ("grpc-metadata-x-a", "1")];
        let answer = setting.soap(&headers, &text).await;
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"{namespace}\"><soap:Body><EchoResponse \
             xmlns=\"urn:echo.v1.Echo\"><int32>-1</int32><string>a&amp;b</string><child xmlns:n1=\"urn:echo.v1\">\
             <n1:string>c</n1:string></child></EchoResponse></soap:Body></soap:Envelope>\n"
        );
        assert_eq!((answer.status, answer.text()), (200, &*expected));
        let answered = if namespace == ONE { XML } else { SOAP_XML };
        assert_eq!(answer.header("content-type"), Some(answered.1));
        let seen = setting.backend.seen.lock().unwrap().take().unwrap();
        assert_eq!(seen.1.unwrap(), wire(&json!({"string": "a&b", "int32": -1, "child": {"string": "c"}})));
        let call = seen.0;
        assert_eq!((call.origin.dialect, &*call.origin.route), (Dialect::Soap, "/echo.v1.Echo/Echo"));
        assert_eq!(call.metadata["x-a"], "1");
        assert!(call.deadline.is_some());
    }
}

#[tokio::test]
async fn text_in_other_encodings_is_read() {
    let setting = Setting::new();
    let text = echo("<string>\u{e9}</string>");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let latin: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    for (content_type, bytes) in [
        ("text/xml; charset=ISO-8859-1", latin),
        ("text/xml", [b"\xff\xfe".to_vec(), utf16(&text)].concat()),
        ("application/soap+xml; charset=UTF-16", utf16(&text)),
    ] {
        let request =
            with_body("POST", PATH, &[("content-type", content_type)], Full::new(Bytes::from(bytes)));
        let answer = setting.send(request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(setting.message(), json!({"string": "é"}));
    }
}

#[tokio::test]
async fn what_is_no_call_is_answered_with_a_fault() {
    let setting = Setting::new();
    let only = "an envelope holds one element Header, if it needs one, and then one element Body, both in its own namespace";
    let valid = "The request body is not valid:";
    for (text, expected) in [
        (String::new(), format!("{valid} the root element is needed, found the end of the text, at line 1, column 1.")),
        (
            "<!DOCTYPE s [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><s/>".into(),
            format!("{valid} a document type declaration (DTD) is not allowed, at line 1, column 1."),
        ),
        (
            "<a:Envelope/>".into(),
            format!("{valid} the namespace prefix \"a\" is not declared, at line 1, column 2."),
        ),
        (
            "<Everything/>".into(),
            format!(
                "{valid} the root element must be the Envelope of SOAP 1.1 or SOAP 1.2, in <Everything> at line 1, column 1."
            ),
        ),
        (envelope(""), "The envelope has no element Body in its own namespace.".into()),
        (envelope("<Body/>"), format!("{valid} {only}, in <Body> at line 1, column 65.")),
        (envelope("<s:Body/><s:Body/>"), "The body of the envelope is empty. An element with the name of a method is needed.".into()),
        (
            envelope("<s:Header/><s:Header/>"),
            format!("{valid} {only}, in <s:Header> at line 1, column 76."),
        ),
        (
            body("text"),
            format!("{valid} text stands where elements belong, in <s:Body> at line 1, column 73."),
        ),
        (
            body("<Echo/>"),
            "The element \"Echo\" in the body is in no namespace, but the methods of this service are in the namespace \
             \"urn:echo.v1.Echo\"."
                .into(),
        ),
        (
            body("<Echo xmlns=\"urn:other\"/>"),
            "The element \"Echo\" in the body is in the namespace \"urn:other\", but the methods of this service are in the \
             namespace \"urn:echo.v1.Echo\"."
                .into(),
        ),
        (
            body("<Ech xmlns=\"urn:echo.v1.Echo\"/>"),
            "The service echo.v1.Echo has no method \"Ech\".".into(),
        ),
        (
            body("<Gather xmlns=\"urn:echo.v1.Echo\"/>"),
            "The method Gather takes a stream of messages, which SOAP does not have. Call it as REST, Connect or gRPC.".into(),
        ),
        (
            echo("<strin>a</strin>"),
            format!("{valid} strin: echo.v1.Everything has no field \"strin\", in <strin> at line 1, column 104."),
        ),
        (
            echo("\n<int32>a</int32>"),
            format!("{valid} int32: a signed 32-bit integer is needed, found text that is no number, in <int32> at line 2, column 1."),
        ),
        (
            echo("<string xmlns=\"urn:other\">a</string>"),
            format!(
                "{valid} string: <string> is in the namespace \"urn:other\", but the fields of echo.v1.Everything are in the \
                 namespace \"urn:echo.v1.Echo\", in <string> at line 1, column 104."
            ),
        ),
        (
            body("<e:Echo xmlns:e=\"urn:echo.v1.Echo\"/>\n<e:Echo xmlns:e=\"urn:echo.v1.Echo\"/>"),
            format!("{valid} the body has more than one element, and each message calls one method, in <e:Echo> at line 2, column 1."),
        ),
        (
            envelope("<s:Body><e:Echo xmlns:e=\"urn:echo.v1.Echo\"/></s:Body>\n<s:Body/>"),
            format!("{valid} nothing may follow the body of an envelope, in <s:Body> at line 2, column 1."),
        ),
        (echo("") + "<a/>", format!("{valid} there is more text behind the root element, at line 1, column 133.")),
    ] {
        let (status, code, reason) = setting.fault(&[XML], &text).await;
        assert_eq!((status, &*code, &*reason), (500, "soap:Client", &*expected), "{text}");
    }
}

#[tokio::test]
async fn versions_and_headers_that_are_not_understood_have_faults_of_their_own() {
    let setting = Setting::new();
    let text = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/\"><s:Body/></s:Envelope>";
    let reason = format!("The namespace of the envelope is none of SOAP 1.1, {ONE}, or SOAP 1.2, {TWO}.");
    for content_type in [XML, SOAP_XML] {
        let answer = setting.soap(&[content_type], text).await;
        assert_eq!(answer.fault(), (500, "soap:VersionMismatch".into(), reason.clone()));
        assert!(!answer.text().contains("etail"));
        assert_eq!(answer.text().contains("<soap:Upgrade>"), content_type == SOAP_XML);
    }
    for (namespace, content_type, attribute) in [(ONE, XML, "1"), (TWO, SOAP_XML, "true")] {
        let header = format!("<t:Pay xmlns:t=\"urn:t&amp;x\" s:mustUnderstand=\"{attribute}\"><a/></t:Pay>");
        let answer = setting.soap(&[content_type], &with_header(namespace, &header)).await;
        let reason = "The envelope has headers that must be understood and are not: \"Pay\".";
        assert_eq!(answer.fault(), (500, "soap:MustUnderstand".into(), reason.into()));
        let told = "<soap:NotUnderstood qname=\"n:Pay\" xmlns:n=\"urn:t&amp;x\"/>";
        assert_eq!(answer.text().contains(told), namespace == TWO, "{}", answer.text());
    }
    assert!(!setting.was_called());
    let next = "http://schemas.xmlsoap.org/soap/actor/next";
    for (header, is_fault) in [
        ("<Pay xmlns='urn:t' s:mustUnderstand='0'/>".to_owned(), false),
        ("<Pay xmlns='urn:t' mustUnderstand='1'/>".into(), false),
        ("<Pay xmlns='urn:t' s:mustUnderstand='1' s:actor='urn:other'/>".into(), false),
        (format!("<Pay xmlns='urn:t' s:mustUnderstand='1' s:actor='{next}'/>"), true),
        (format!("<Security xmlns='{WSSE}' s:mustUnderstand='1'/>"), false),
        ("<To xmlns='http://www.w3.org/2005/08/addressing' s:mustUnderstand='1'>urn:x</To>".into(), false),
        (
            "<a:Action xmlns:a='http://schemas.xmlsoap.org/ws/2004/08/addressing'>urn:x</a:Action>".into(),
            false,
        ),
    ] {
        let answer = setting.soap(&[XML], &with_header(ONE, &header)).await;
        assert_eq!(answer.status, if is_fault { 500 } else { 200 }, "{header}\n{}", answer.text());
    }
}

#[tokio::test]
async fn what_http_says_must_be_right_as_well() {
    let setting = Setting::new();
    let text = echo("");
    let types = "SOAP 1.1 is sent as text/xml, SOAP 1.2 as application/soap+xml.";
    let action = |action: &str| {
        format!(
            "The action \"{action}\" is not that of Echo, which is in the body. Send the one that the WSDL names, or none."
        )
    };
    for (headers, status, expected) in [
        (&[][..], 415, format!("The request has no content type. {types}")),
        (
            &[("content-type", "application/json")],
            415,
            format!("The content type \"application/json\" is none of SOAP. {types}"),
        ),
        (
            &[("content-type", "multipart/related; boundary=b; type=\"application/xop+xml\"")],
            415,
            format!("Attachments and MTOM are not supported here. Send bytes as base64 inside the envelope. {types}"),
        ),
        (&[XML, ("soapaction", "\"urn:echo.v1.Echo/Fail\"")], 500, action("urn:echo.v1.Echo/Fail")),
        (
            &[XML, ("x-request-timeout", "soon")],
            500,
            "The header x-request-timeout is not valid: seconds are needed, such as 2.5.".into(),
        ),
        (
            &[("content-type", "text/xml; charset=ebcdic")],
            500,
            "The request body is not valid: the encoding \"ebcdic\" is not read here; send UTF-8, UTF-16 or ISO-8859-1, at \
             line 1, column 1."
                .into(),
        ),
    ] {
        assert_eq!(setting.fault(headers, &text).await, (status, "soap:Client".into(), expected));
    }
    let answer = setting.soap(&[XML], &echo(&format!("<string>{}</string>", "x".repeat(1000)))).await;
    let text = "The request body is too large: at most 1000 bytes are accepted.";
    assert_eq!(answer.fault(), (413, "soap:Client".into(), text.into()));

    for (verb, allow, expected) in [
        ("PUT", "GET, HEAD, POST", "SOAP is called with POST, not with PUT."),
        (
            "GET",
            "POST",
            "This is a SOAP service, which is called with POST. Its description is at /soap/echo.v1.Echo?wsdl, \
                         XML Schema of a package at /soap/echo.v1.Echo?xsd=PACKAGE.",
        ),
    ] {
        let answer = setting.send(request(verb, PATH, &[], "")).await;
        assert_eq!(answer.fault(), (405, "soap:Client".into(), expected.into()));
        assert_eq!(answer.header("allow"), Some(allow));
    }
    let answer = setting.send(request("POST", "/soap/echo.v1.Ech", &[XML], "")).await;
    let text = "There is no route for POST /soap/echo.v1.Ech.";
    assert_eq!(answer.fault(), (404, "soap:Client".into(), text.into()));
    let other = Setting::speaking(&[Dialect::Rest]);
    assert_eq!(other.soap(&[XML], "").await.status, 404);
}

#[tokio::test]
async fn who_may_not_call_costs_no_decoding_and_little_reading() {
    let setting = Setting::with(&EndpointOptions::default(), true);
    let answer = setting.soap(&[XML], &echo("<int32>no number</int32>")).await;
    assert_eq!(answer.fault(), (500, "soap:Client".into(), "You may not.".into()));
    assert!(setting.was_called());
    let detail = answer.between("<detail>", "</detail>");
    assert_eq!(
        detail,
        "<Status xmlns=\"urn:google.rpc\"><code>7</code><message>You may not.</message></Status>"
    );
}

#[tokio::test]
async fn failures_are_typed_faults() {
    let detail = crate::status::Detail {
        type_url: "type.googleapis.com/google.rpc.ErrorInfo".into(),
        value: Bytes::from_static(b"\x0a\x01R"),
    };
    for (code, one, two, http) in [
        (Code::NotFound, "soap:Client", "soap:Sender", 400),
        (Code::PermissionDenied, "soap:Client", "soap:Sender", 400),
        (Code::Unavailable, "soap:Server", "soap:Receiver", 500),
        (Code::Aborted, "soap:Server", "soap:Receiver", 500),
    ] {
        for (namespace, content_type) in [(ONE, XML), (TWO, SOAP_XML)] {
            let status = Status::backend(code, "Not <this>.").with_detail(detail.clone());
            let setting = Setting::replying(Reply::from(status), &EndpointOptions::default());
            let answer = setting.soap(&[content_type], &with_header(namespace, "")).await;
            let expected = if namespace == ONE { (500, one) } else { (http, two) };
            assert_eq!(answer.fault(), (expected.0, expected.1.to_owned(), "Not <this>.".to_owned()));
            let info = "type>type.googleapis.com/google.rpc.ErrorInfo</";
            assert!(answer.text().contains(info), "{}", answer.text());
            let subcode = format!(
                "<soap:Subcode><soap:Value xmlns:rpc=\"urn:google.rpc\">rpc:{}</soap:Value></soap:Subcode>",
                code.name()
            );
            assert_eq!(answer.text().contains(&subcode), namespace == TWO);
        }
    }
    // What is not meant for callers stays inside.
    let status = Status::backend(Code::Unknown, "panic at db.go:7");
    let setting = Setting::replying(Reply::from(status), &EndpointOptions::default());
    let answer = setting.soap(&[XML], &echo("")).await;
    assert_eq!(answer.fault(), (500, "soap:Server".into(), "The backend failed.".into()));
    assert!(answer.header("x-request-id").is_some());
    let broken = Reply { message: Message::from(Bytes::from_static(b"\xff")), ..Reply::from(Status::ok()) };
    let setting = Setting::replying(broken, &EndpointOptions::default());
    let (status, code, _) = setting.soap(&[XML], &echo("")).await.fault();
    assert_eq!((status, &*code), (500, "soap:Server"));
}

#[tokio::test]
async fn messages_that_have_a_name_are_answered_by_it() {
    let setting = Setting::new();
    let header =
        "<a:MessageID xmlns:a=\"http://www.w3.org/2005/08/addressing\">urn:uuid:1&amp;2_x0041_</a:MessageID>";
    let related = "<soap:Header><wsa:RelatesTo xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">urn:uuid:1&amp;2_x0041_</wsa:RelatesTo></soap:Header>";
    let answer = setting.soap(&[XML], &with_header(ONE, header)).await;
    assert!(answer.text().contains(related), "{}", answer.text());
    // In the text of a fault, as in that of messages, what reads as an escape is none.
    let answer = setting.soap(&[XML, ("soapaction", "_x0042_")], &with_header(ONE, header)).await;
    let reason = "The action \"_x005F_x0042_\" is not that of Echo, which is in the body.";
    assert!(answer.text().contains(&format!("<faultstring>{reason}")), "{}", answer.text());
    assert!(answer.status == 500 && answer.text().contains(related), "{}", answer.text());
}

#[tokio::test]
async fn credentials_of_ws_security_go_on_as_a_header() {
    const JWT: &str = "eyJhbGciOiJub25lIn0.e30.c2ln";
    let security = |inside: &str| {
        with_header(
            ONE,
            &format!("<w:Security xmlns:w=\"{WSSE}\" s:mustUnderstand=\"1\">{inside}</w:Security>"),
        )
    };
    let user = |kind: &str| {
        let profile = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
        format!(
            "<w:UsernameToken><w:Username>me</w:Username><w:Password Type=\"{profile}#{kind}\">secret</w:Password>\
             <w:Nonce>AA==</w:Nonce></w:UsernameToken>"
        )
    };
    let token = |kind: &str, text: &str| {
        format!("<w:BinarySecurityToken ValueType=\"{kind}\">{text}</w:BinarySecurityToken>")
    };
    let jwt = token("urn:ietf:params:oauth:token-type:jwt", JWT);
    let base64 = token("http://example.org/#JWT", "\nZXlKaGJHY2lPaUp1YjI1bEluMC5lMzAuYzJsbg==\n");
    let basic = "Basic bWU6c2VjcmV0";
    let bearer = format!("Bearer {JWT}");
    let over_tls = "A password is only taken over TLS, as others could read it. Call this service by https.";
    let digest = "A digest of a password cannot be sent on. Send the password as PasswordText, over TLS.";
    for (inside, is_secure, header, expected) in [
        (user("PasswordText"), true, None, Ok(Some(basic))),
        (user("PasswordText"), false, None, Err(over_tls)),
        (user("PasswordDigest"), true, None, Err(digest)),
        (jwt.clone(), false, None, Ok(Some(&*bearer))),
        (base64.clone(), true, None, Ok(Some(&*bearer))),
        (token("urn:x#X509v3", "AA=="), true, None, Ok(None)),
        (
            token("jwt", "nothing"),
            true,
            None,
            Err("The BinarySecurityToken is no JWT of at most 8 KiB, as it is or as base64."),
        ),
        (jwt.clone() + &base64, true, None, Err("The envelope offers several credentials. Offer one.")),
        ("<w:UsernameToken><w:Username>me</w:Username></w:UsernameToken><x/>".into(), true, None, Ok(None)),
        (String::new(), true, Some("Basic eDp5"), Ok(Some("Basic eDp5"))),
        (
            jwt.clone(),
            true,
            Some("Basic eDp5"),
            Err(
                "The request offers a credential in its header authorization and another one in its envelope. Offer one.",
            ),
        ),
    ] {
        let setting = Setting::new();
        let session = Session { version: "1.3", server_name: None, client: None };
        let tls = is_secure.then(|| Arc::new(session));
        let mut headers = vec![XML];
        headers.extend(header.map(|value| ("authorization", value)));
        let request = request("POST", PATH, &headers, &security(&inside));
        let answer = setting.front.answer(request, None, tls, &mut crate::front::Seen::default()).await;
        let (head, body) = answer.into_parts();
        let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        let answer = Seen { status: head.status.as_u16(), headers: head.headers, body };
        match expected {
            Ok(expected) => {
                assert_eq!(answer.status, 200, "{inside}\n{}", answer.text());
                let call = setting.call();
                let sent = call.metadata.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
                assert_eq!(sent, expected, "{inside}");
                let credential = match expected {
                    Some(value) if header.is_none() && value == basic => {
                        Some(Credential::Password { user: "me".into(), password: "secret".into() })
                    }
                    Some(_) if header.is_none() => Some(Credential::Bearer(JWT.into())),
                    _ => None,
                };
                assert_eq!(call.origin.credentials, Vec::from_iter(credential));
            }
            Err(reason) => {
                assert_eq!(answer.fault(), (500, "soap:Client".into(), reason.into()), "{inside}");
                assert!(answer.text().contains("<code>16</code>"), "{}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn documents_are_asked_for_by_get() {
    let setting = Setting::speaking(&Dialect::ALL);
    for query in ["?wsdl", "?WSDL", "?singleWsdl", "?x=1&Wsdl=1"] {
        let answer =
            setting.send(request("GET", &format!("{PATH}{query}"), &[("host", "a.example:81")], "")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml; charset=utf-8")));
        let address = "<soap:address location=\"http://a.example:81/soap/echo.v1.Echo\"/>";
        assert!(answer.text().contains(address), "{}", answer.text());
    }
    let answer = setting.send(request("GET", &format!("{PATH}?wsdl"), &[("host", "a\"b")], "")).await;
    assert!(answer.text().contains("\"http://localhost/soap/echo.v1.Echo\""));
    for (target, expected) in [
        ("/soap/echo.v1.Echo?xsd=echo.v1", "targetNamespace=\"urn:echo.v1\""),
        ("/soap/echo.v1.Echo?XSD=echo.v1.Echo", "schemaLocation=\"echo.v1.Echo?xsd=echo.v1\""),
        ("/xsd/echo.v1", "schemaLocation=\"google.protobuf\""),
        ("/xsd/google.protobuf", "targetNamespace=\"urn:google.protobuf\""),
    ] {
        let answer = setting.get(target).await;
        assert_eq!(answer.status, 200, "{target}");
        assert!(answer.text().contains(expected), "{target}\n{}", answer.text());
    }
    for target in [
        "/soap/echo.v1.Echo?xsd=nothing",
        "/soap/echo.v1.Echo?xsd=",
        "/soap/echo.v1.Echo?foo",
        "/xsd/nothing",
    ] {
        assert_eq!(setting.get(target).await.status, 404, "{target}");
    }
}
