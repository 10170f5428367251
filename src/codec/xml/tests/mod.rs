//! What is read and written, and the texts of errors: what a caller reads who sent something wrong.

use super::encoding::decode;
use super::lexer::{Lexer, Limits};
use super::read::{ReadOptions, read, read_content, read_only};
use super::status::write_status;
use super::write::{Element, WriteOptions, push_attribute, push_text, write, write_as, write_field};
use crate::codec::json;
use crate::schema::{MessageId, Schema};
use crate::status::{Code, Detail, Status};

mod names;
mod one_field;

const BOOK: &str = "bookstore.v1.Book";

fn schema() -> Schema {
    let files = ["examples/bookstore/bookstore.binpb", "tests/codec/conformance/test_messages.binpb"];
    let sets = files.map(|file| std::fs::read(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap());
    Schema::load(&sets.each_ref().map(Vec::as_slice)).unwrap()
}

fn id(schema: &Schema, name: &str) -> MessageId {
    schema.find_message(name).unwrap()
}

/// The message as JSON, or what is wrong with the XML.
fn as_json(schema: &Schema, name: &str, xml: &str, options: &ReadOptions) -> Result<String, String> {
    let mut wire = Vec::new();
    let text = decode(xml.as_bytes(), None).map_err(|error| error.to_string())?;
    read(schema, id(schema, name), &text, options, &mut wire).map_err(|error| error.to_string())?;
    Ok(json_of(schema, name, &wire))
}

fn json_of(schema: &Schema, name: &str, wire: &[u8]) -> String {
    let mut json = Vec::new();
    json::write::write(schema, id(schema, name), wire, &WriteOptions::default(), &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

fn wire_of(schema: &Schema, name: &str, json: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let options = json::read::ReadOptions::default();
    json::read::read(schema, id(schema, name), json.as_bytes(), &options, &mut wire).unwrap();
    wire
}

fn as_xml(schema: &Schema, name: &str, json: &str) -> String {
    let wire = wire_of(schema, name, json);
    let mut xml = Vec::new();
    write(schema, id(schema, name), &wire, &WriteOptions::default(), &mut xml).unwrap();
    String::from_utf8(xml).unwrap()
}

fn in_book(content: &str) -> String {
    format!("<Book xmlns=\"urn:bookstore.v1\">{content}</Book>")
}

#[test]
fn each_kind_of_field_has_its_form() {
    let schema = schema();
    const TYPES: &str = "protobuf_test_messages.proto3.TestAllTypesProto3";
    let pb = "xmlns:n1=\"urn:google.protobuf\"";
    let nil = "kind=\"null\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"";
    let table: Vec<(&str, String)> = vec![
        ("{}", String::new()),
        (
            r#"{"optionalInt64":"-5","optionalInt32":7}"#,
            "<optionalInt32>7</optionalInt32><optionalInt64>-5</optionalInt64>".into(),
        ),
        (
            r#"{"optionalUint64":"18446744073709551615"}"#,
            "<optionalUint64>18446744073709551615</optionalUint64>".into(),
        ),
        (
            r#"{"optionalDouble":"-Infinity","optionalFloat":"Infinity"}"#,
            "<optionalFloat>INF</optionalFloat><optionalDouble>-INF</optionalDouble>".into(),
        ),
        (r#"{"optionalDouble":"NaN"}"#, "<optionalDouble>NaN</optionalDouble>".into()),
        (r#"{"optionalBool":true}"#, "<optionalBool>true</optionalBool>".into()),
        (r#"{"optionalBytes":"AQI="}"#, "<optionalBytes>AQI=</optionalBytes>".into()),
        (r#"{"optionalNestedEnum":"BAZ"}"#, "<optionalNestedEnum>BAZ</optionalNestedEnum>".into()),
        (r#"{"optionalNestedEnum":77}"#, "<optionalNestedEnum>77</optionalNestedEnum>".into()),
        (r#"{"optionalNestedMessage":{}}"#, "<optionalNestedMessage/>".into()),
        (r#"{"repeatedString":["","a"]}"#, "<repeatedString/><repeatedString>a</repeatedString>".into()),
        (
            r#"{"repeatedInt32":[0,1]}"#,
            "<repeatedInt32>0</repeatedInt32><repeatedInt32>1</repeatedInt32>".into(),
        ),
        (
            r#"{"mapStringString":{"k":"v"}}"#,
            "<mapStringString><entry><key>k</key><value>v</value></entry></mapStringString>".into(),
        ),
        (
            r#"{"optionalTimestamp":"2026-11-24T18:00:00.500Z"}"#,
            "<optionalTimestamp>2026-11-24T18:00:00.500Z</optionalTimestamp>".into(),
        ),
        (r#"{"optionalDuration":"1.500s"}"#, "<optionalDuration>1.500s</optionalDuration>".into()),
        (r#"{"optionalFieldMask":"a,bC"}"#, "<optionalFieldMask>a,bC</optionalFieldMask>".into()),
        (r#"{"optionalInt32Wrapper":0}"#, "<optionalInt32Wrapper>0</optionalInt32Wrapper>".into()),
        (
            r#"{"optionalNullValue":null,"oneofNullValue":null}"#,
            "<oneofNullValue>NULL_VALUE</oneofNullValue>".into(),
        ),
        (
            r#"{"optionalStruct":{"a":[1,null]}}"#,
            format!(
                "<optionalStruct {pb}><n1:entry><n1:key>a</n1:key><n1:value kind=\"list\">\
                 <n1:item kind=\"number\">1.0</n1:item><n1:item {nil}/></n1:value></n1:entry></optionalStruct>"
            ),
        ),
        (r#"{"optionalValue":"x"}"#, "<optionalValue kind=\"string\">x</optionalValue>".into()),
        (r#"{"optionalValue":null}"#, format!("<optionalValue {nil}/>")),
        (r#"{"optionalValue":{}}"#, format!("<optionalValue {pb} kind=\"struct\"/>")),
        (
            r#"{"optionalAny":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}"#,
            format!(
                "<optionalAny {pb}><n1:type>type.googleapis.com/google.protobuf.Duration</n1:type>\
                 <Duration xmlns=\"urn:google.protobuf\">1s</Duration></optionalAny>"
            ),
        ),
        (
            r#"{"optionalString":"<a>&\r\n\t\u0001 ]]> _x0041_ é\uffff"}"#,
            "<optionalString>&lt;a&gt;&amp;&#13;\n\t_x0001_ ]]&gt; _x005F_x0041_ é_xFFFF_</optionalString>"
                .into(),
        ),
    ];
    for (json, expected) in &table {
        let xml = as_xml(&schema, TYPES, json);
        let root = "TestAllTypesProto3 xmlns=\"urn:protobuf_test_messages.proto3\"";
        let whole = if expected.is_empty() {
            format!("<{root}/>")
        } else {
            format!("<{root}>{expected}</TestAllTypesProto3>")
        };
        assert_eq!(xml, whole, "{json}");
        let wire = wire_of(&schema, TYPES, json);
        let back = as_json(&schema, TYPES, &xml, &ReadOptions::default());
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(back.map(|json| value(&json)), Ok(value(&json_of(&schema, TYPES, &wire))), "{xml}");
    }
}

#[test]
fn xml_may_be_written_in_other_ways() {
    let schema = schema();
    let table = [
        // Any order, no namespace, a prefix, white space, comments, instructions, CDATA, references.
        ("<Book><title>A</title></Book>", r#"{"title":"A"}"#),
        ("<b:Book xmlns:b='urn:bookstore.v1'><b:title>A</b:title></b:Book>", r#"{"title":"A"}"#),
        (
            "<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes' ?>\n<!-- a --><Book>\n <!-- b -->\
             <title >A</title\n><?p q?>\r\n<![CDATA[ ]]></Book ><!-- c -->\n",
            r#"{"title":"A"}"#,
        ),
        (
            "<Book><title>A<!-- x -->B<![CDATA[<&]]>]]<?p?>&#67;&#x44;&lt;&quot;&apos;</title></Book>",
            r#"{"title":"AB<&]]CD<\"'"}"#,
        ),
        ("<Book><title>a\r\nb\rc&#13;</title></Book>", r#"{"title":"a\nb\nc\r"}"#),
        ("<Book><title>_x0041_ _x004g_</title></Book>", r#"{"title":"A _x004g_"}"#),
        ("<Book><title> a </title></Book>", r#"{"title":" a "}"#),
        ("<Book><priceCents>\n +0012 </priceCents></Book>", r#"{"priceCents":"12"}"#),
        ("<Book><priceCents>-0</priceCents><title/></Book>", "{}"),
        ("<Book><inPrint> 1 </inPrint></Book>", r#"{"inPrint":true}"#),
        ("<Book><coverDigest> AQ I\n= </coverDigest></Book>", r#"{"coverDigest":"AQI="}"#),
        (
            "<Book><publishTime>2026-01-02T03:04:05</publishTime></Book>",
            r#"{"publishTime":"2026-01-02T03:04:05Z"}"#,
        ),
        (
            "<Book><publishTime> 2026-01-02T03:04:05+01:00 </publishTime></Book>",
            r#"{"publishTime":"2026-01-02T02:04:05Z"}"#,
        ),
        (
            "<Book><authors>a</authors><title>T</title><authors>b</authors></Book>",
            r#"{"title":"T","authors":["a","b"]}"#,
        ),
        (
            "<Book><labels><entry><value>1</value><key>a</key></entry></labels></Book>",
            r#"{"labels":{"a":"1"}}"#,
        ),
        (
            "<Book xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:schemaLocation='a b' xml:lang='en'>\
             <title i:nil='true'/><state i:type='x'>ACTIVE</state><paper i:nil='1'></paper></Book>",
            r#"{"state":"ACTIVE"}"#,
        ),
    ];
    for (xml, expected) in table {
        let found = as_json(&schema, BOOK, xml, &ReadOptions::default());
        let found = found.map(|json| serde_json::from_str::<serde_json::Value>(&json).unwrap());
        assert_eq!(found, Ok(serde_json::from_str(expected).unwrap()), "{xml}");
    }
}

#[test]
fn what_is_unknown_is_skipped_on_demand() {
    let schema = schema();
    let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let xml = "<Book a='1'><what b='2'>x<y/>&amp;<![CDATA[z]]></what><what/><title c=''>A</title><state>OPEN</state>\
               <o:title xmlns:o='urn:other'>B</o:title></Book>";
    assert_eq!(as_json(&schema, BOOK, xml, &options), Ok(r#"{"title":"A"}"#.into()));
}

#[test]
fn what_is_wrong_is_named_with_field_element_and_line() {
    let schema = schema();
    let value_names = "its values are STATE_UNSPECIFIED, ACTIVE, ARCHIVED";
    let xsi = "xmlns:i='http://www.w3.org/2001/XMLSchema-instance'";
    let table: Vec<(String, String)> = [
        ("<titel>x</titel>", r#"titel: bookstore.v1.Book has no field "titel", in <titel> at line 1, column 32"#),
        ("\n <paper>\n  <pags>1</pags></paper>", r#"paper.pags: bookstore.v1.Paper has no field "pags", in <pags> at line 3, column 3"#),
        ("<title a='1'>x</title>", r#"title: the attribute "a" is not known here, in <title> at line 1, column 32"#),
        ("<title>a</title><title>b</title>", "title: the field is there twice, in <title> at line 1, column 48"),
        ("<labels/><labels/>", "labels: the field is there twice, in <labels> at line 1, column 41"),
        ("<paper/><audio/>", "audio: paper of the same oneof is set already, and only one of them can be, in <audio> at line 1, column 40"),
        ("<title><b>x</b></title>", "title: the element <b> stands where text belongs, in <title> at line 1, column 39"),
        ("<paper>x</paper>", "paper: text stands where elements belong, in <paper> at line 1, column 39"),
        ("<paper><![CDATA[x]]></paper>", "paper: text stands where elements belong, in <paper> at line 1, column 39"),
        ("x", "text stands where elements belong, in <Book> at line 1, column 32"),
        ("&#32;", "text stands where elements belong, in <Book> at line 1, column 32"),
        ("<priceCents>1.5</priceCents>", "priceCents: a signed 64-bit integer is needed, found a number with a fraction, in <priceCents> at line 1, column 32"),
        ("<priceCents/>", "priceCents: a signed 64-bit integer is needed, found text that is no number, in <priceCents> at line 1, column 32"),
        ("<paper><pages>-1</pages></paper>", "paper.pages: an unsigned 32-bit integer is needed, found a number that does not fit it, in <pages> at line 1, column 39"),
        ("<inPrint>yes</inPrint>", r#"inPrint: true or false is needed, found "yes", in <inPrint> at line 1, column 32"#),
        ("<coverDigest>*</coverDigest>", "coverDigest: base64 text is needed, in <coverDigest> at line 1, column 32"),
        ("<publishTime>now</publishTime>", "publishTime: a time as xs:dateTime between the years 1 and 9999, such as \"2006-01-02T15:04:05Z\" is needed, in <publishTime> at line 1, column 32"),
        ("<audio><length>1h</length></audio>", "audio.length: a duration of at most 10,000 years, such as \"1.5s\" is needed, in <length> at line 1, column 39"),
        ("<stock><entry><key>x</key><value>1</value></entry></stock>", "stock: a signed 32-bit integer is needed, found text that is no number, in <key> at line 1, column 46"),
        ("<labels><entry><key>a</key></entry></labels>", "labels: the entry has no <value>, in <entry> at line 1, column 40"),
        ("<labels><entry><value>a</value></entry></labels>", "labels: the entry has no <key>, in <entry> at line 1, column 40"),
        ("<labels><entry><key>a</key><value>1</value></entry><entry><key>a</key><value>1</value></entry></labels>", "labels: the key is there twice, in <entry> at line 1, column 83"),
        ("<labels><entry><key>a</key><key>b</key></entry></labels>", "labels: <key> is there twice, in <key> at line 1, column 59"),
        ("<labels><a/></labels>", "labels: <a> stands where <entry> is needed, in <a> at line 1, column 40"),
        ("<labels><entry><a/></entry></labels>", "labels: <a> stands where <key> or <value> is needed, in <a> at line 1, column 47"),
                (
            "<attributes><entry/></attributes>",
            "attributes: <entry> is in the namespace \"urn:bookstore.v1\", but the namespace \
             \"urn:google.protobuf\" is needed, in <entry> at line 1, column 44",
        ),
        // The text is no XML.
        ("<title>a</titel>", "title: </titel> stands where </title> is needed, in <title> at line 1, column 40"),
        ("<title>a", "title: </Book> stands where </title> is needed, in <title> at line 1, column 40"),
        ("<o:title>a</o:title>", r#"the namespace prefix "o" is not declared, in <Book> at line 1, column 33"#),
        ("<title o:a='1'>a</title>", r#"the namespace prefix "o" is not declared, in <Book> at line 1, column 39"#),
        ("<title a='1' a='2'/>", "<title> has the attribute a twice, in <Book> at line 1, column 45"),
        ("<title xmlns:a='urn:x' xmlns:b='urn:x' a:c='1' b:c='2'/>", "<title> has the attribute b:c twice, in <Book> at line 1, column 79"),
        ("<title xmlns:a=''/>", "the namespace prefix \"a\" cannot be declared so: only the default namespace can be none, in <Book> at line 1, column 39"),
        ("<title xmlns:a='b' xmlns:a='c'/>", "the namespace prefix \"a\" cannot be declared so: it is declared twice here, in <Book> at line 1, column 51"),
        ("<title xmlns:xmlns='b'/>", "the namespace prefix \"xmlns\" cannot be declared so: xmlns and its namespace are never declared, in <Book> at line 1, column 39"),
        ("<title xmlns:xml='b'/>", "the namespace prefix \"xml\" cannot be declared so: the prefix xml and its namespace belong to each other, in <Book> at line 1, column 39"),
        ("<title a=1/>", "the value of the attribute a needs quotes, in <Book> at line 1, column 41"),
        ("<title a/>", "the attribute a needs = and a value in quotes, in <Book> at line 1, column 40"),
        ("<title a='<'/>", "the value of the attribute a holds a <, in <Book> at line 1, column 42"),
        ("<title a='1'b='2'/>", "the tag <title> is not well-formed here, in <Book> at line 1, column 44"),
        ("<1/>", "a name cannot begin with '1', in <Book> at line 1, column 33"),
        ("< title/>", "a tag needs a name behind its <, in <Book> at line 1, column 33"),
        ("<a:b:c/>", "the tag <a:b> is not well-formed here, in <Book> at line 1, column 36"),
        ("<ti\u{d7}tle/>", "a name cannot hold '×', in <Book> at line 1, column 35"),
        ("<title>&nbsp;</title>", "title: the entity &nbsp; is not known; XML has lt, gt, amp, apos and quot, in <title> at line 1, column 39"),
        ("<title>a & b</title>", "title: & begins a reference such as &amp; here, but there is no ; to end it, in <title> at line 1, column 41"),
        ("<title>&#0;</title>", "title: the reference stands for no character that XML allows, in <title> at line 1, column 39"),
        ("<title>&#xD800;</title>", "title: the reference stands for no character that XML allows, in <title> at line 1, column 39"),
        ("<title>&#+65;</title>", "title: the reference stands for no character that XML allows, in <title> at line 1, column 39"),
        ("<title>]]></title>", "title: ]]> must be written as ]]&gt; in text, in <title> at line 1, column 39"),
        ("<title><!-- a -- b --></title>", "title: -- must not stand inside a comment, in <title> at line 1, column 46"),
        ("<title><!-- a</title>", "title: the text ends inside a comment that begins here, in <title> at line 1, column 39"),
        ("<title><![CDATA[a</title>", "title: the text ends inside a CDATA section that begins here, in <title> at line 1, column 39"),
        ("<?xml version='1.0'?>", "an XML declaration can only stand at the very start of the text, in <Book> at line 1, column 32"),
        ("<!ENTITY a 'b'>", "<! begins neither a comment nor a CDATA section here, in <Book> at line 1, column 32"),
        ("<title>\u{1}</title>", "the character U+0001 is not allowed in XML, at line 1, column 39"),
        ("<title>\u{fffe}</title>", "the character U+FFFE is not allowed in XML, at line 1, column 39"),
    ]
    .into_iter()
    .map(|(content, expected)| (in_book(content), expected.to_owned()))
    .chain([
        (in_book("<state>OPEN</state>"), format!("state: bookstore.v1.State has no value \"OPEN\"; {value_names}, in <state> at line 1, column 32")),
        (in_book(&format!("<authors {xsi} i:nil='true'/>")), "authors: xsi:nil is not allowed in a list, in <authors> at line 1, column 32".into()),
        (in_book(&format!("<title {xsi} i:nil='true'>a</title>")), "title: an element that is nil must be empty, in <title> at line 1, column 32".into()),
        (in_book(&format!("<title {xsi} i:nil='maybe'>a</title>")), "title: xsi:nil must be true or false, in <title> at line 1, column 32".into()),
        (in_book("<title xmlns='urn:other'>a</title>"), "title: <title> is in the namespace \"urn:other\", but the fields of bookstore.v1.Book are in the namespace \"urn:bookstore.v1\", in <title> at line 1, column 32".into()),
    ])
    .chain(
        [
            ("", "the root element is needed, found the end of the text, at line 1, column 1"),
            ("{}", "the root element is needed, found text, at line 1, column 1"),
            ("<Book><attributes><entry><key>a</key><value kind='x'>1</value></entry></attributes></Book>", r#"attributes["a"]: the kind "x" is none of null, number, string, bool, struct and list, in <value> at line 1, column 38"#),
            ("<Book><attributes><entry><key>a</key><value kind='number'>INF</value></entry></attributes></Book>", r#"attributes["a"]: a Value cannot hold NaN or an infinity, in <value> at line 1, column 38"#),
            ("<Shelf/>", "<Shelf> stands where <Book> in the namespace \"urn:bookstore.v1\" is needed, in <Shelf> at line 1, column 1"),
            ("<Book xmlns='urn:x'/>", "<Book> in the namespace \"urn:x\" stands where <Book> in the namespace \"urn:bookstore.v1\" is needed, in <Book> at line 1, column 1"),
            ("<Book/><Book/>", "there is more text behind the root element, at line 1, column 8"),
            ("<Book/>x", "there is more text behind the root element, at line 1, column 8"),
            ("<Book>", "the text ends before </Book>, in <Book> at line 1, column 7"),
            ("<Book", "the text ends inside the tag <Book>, at line 1, column 6"),
            ("</Book>", "the root element is needed, at line 1, column 1"),
            ("<?xml version='2.0'?><Book/>", "the XML declaration needs version=\"1.0\", at line 1, column 20"),
            ("<?xml version='1.0' what='1'?><Book/>", "the XML declaration is not well-formed here, at line 1, column 21"),
            ("<?xml?><Book/>", "the XML declaration must begin with <?xml and white space, at line 1, column 1"),
            ("<?XML version='1.0'?><Book/>", "the XML declaration must begin with <?xml and white space, at line 1, column 1"),
            (" <?xml version='1.0'?><Book/>", "an XML declaration can only stand at the very start of the text, at line 1, column 2"),
            ("<!DOCTYPE Book><Book/>", "a document type declaration (DTD) is not allowed, at line 1, column 1"),
            ("<!-- a -->\n<!DOCTYPE Book [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><Book/>", "a document type declaration (DTD) is not allowed, at line 2, column 1"),
        ]
        .map(|(xml, expected)| (xml.to_owned(), expected.to_owned())),
    )
    .collect();
    for (xml, expected) in table {
        let found = as_json(&schema, BOOK, &xml, &ReadOptions::default());
        assert_eq!(found, Err(expected), "{xml}");
    }
}

#[test]
fn anys_say_what_they_hold() {
    let schema = schema();
    const ANY: &str = "google.protobuf.Any";
    let paper = "<Paper xmlns='urn:bookstore.v1'><pages>3</pages></Paper>";
    let typed = "<type>type.googleapis.com/bookstore.v1.Paper</type>";
    let json = r#"{"@type":"type.googleapis.com/bookstore.v1.Paper","pages":3}"#;
    for content in [
        format!("{typed}{paper}"),
        format!("{paper}{typed}"),
        format!("{typed}<Paper><pages>3</pages></Paper>"),
    ] {
        let found = as_json(&schema, ANY, &format!("<Any>{content}</Any>"), &ReadOptions::default());
        assert_eq!(found, Ok(json.into()), "{content}");
    }
    let unknown = "<type>example.com/no.such.Type</type>";
    let found =
        as_json(&schema, ANY, &format!("<Any>{unknown}<value>AQI=</value></Any>"), &ReadOptions::default());
    assert_eq!(found, Ok(r#"{"@type":"example.com/no.such.Type","value":"AQI="}"#.into()));
    for (content, expected) in [
        (paper.to_owned(), "an Any needs the element <type>"),
        (typed.to_owned(), "an Any needs the element of its message beside <type>"),
        (format!("{typed}{typed}"), "<type> is there twice"),
        (format!("{typed}{paper}{paper}"), "<Paper> stands in an Any, which holds one message only"),
        (
            format!("<type>Paper</type>{paper}"),
            "<type> is no type URL, such as \"type.googleapis.com/package.Message\"",
        ),
        (
            format!("{unknown}<Type/>"),
            "the type \"example.com/no.such.Type\" is not known here; its bytes can be given in <value> as base64",
        ),
        ("<Paper/>".into(), "<type> is needed before <Paper>"),
        (
            format!("{typed}<Audio xmlns='urn:bookstore.v1'/>"),
            "<Audio> in the namespace \"urn:bookstore.v1\" stands where <Paper> in the namespace \"urn:bookstore.v1\" is needed",
        ),
        (
            format!("<Audio xmlns='urn:bookstore.v1'/>{typed}"),
            "the message in an Any is of another type than <type> says",
        ),
    ] {
        let error =
            as_json(&schema, ANY, &format!("<Any>{content}</Any>"), &ReadOptions::default()).unwrap_err();
        assert!(error.starts_with(expected), "{content}: {error}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let schema = schema();
    let deep = |turns: usize| {
        let levels = "<attributes><entry><key>a</key><value kind='struct'>".to_owned()
            + &"<entry><key>a</key><value kind='struct'>".repeat(turns)
            + &"</value></entry>".repeat(turns)
            + "</value></entry></attributes>";
        format!("<Book>{levels}</Book>")
    };
    // The root, attributes, entry and value, and two for each turn.
    assert!(as_json(&schema, BOOK, &deep(29), &ReadOptions::default()).is_ok());
    let error = as_json(&schema, BOOK, &deep(31), &ReadOptions::default()).unwrap_err();
    assert!(
        error.contains("elements are nested more than 64 deep, in <value> at line 1, column "),
        "{error}"
    );
    let text = "<a>".repeat(100_000);
    let error =
        as_json(&schema, BOOK, &in_book(&text), &ReadOptions { ignore_unknown: true, ..Default::default() });
    assert!(error.unwrap_err().starts_with("elements are nested more than 64 deep, in <a>"));

    let many = |count: usize| in_book(&"<authors>a</authors>".repeat(count));
    assert!(as_json(&schema, BOOK, &many(99_999), &ReadOptions::default()).is_ok());
    let error = as_json(&schema, BOOK, &many(100_000), &ReadOptions::default()).unwrap_err();
    assert!(error.starts_with("authors: there are more than 100000 elements"), "{error}");

    let attributes = |count: usize| (0..count).map(|at| format!(" a{at}=''")).collect::<String>();
    let error = as_json(&schema, BOOK, &format!("<Book{}/>", attributes(100_000)), &ReadOptions::default());
    assert!(error.unwrap_err().starts_with("<Book> has more than 64 attributes, at line 1, column "));
    let namespaces = |from: usize| (0..64).map(|at| format!(" xmlns:n{}='u'", from + at)).collect::<String>();
    let nested: String = (0..5).map(|at| format!("<a{}>", namespaces(64 * at))).collect();
    let options = ReadOptions { ignore_unknown: true, ..ReadOptions::default() };
    let error = as_json(&schema, BOOK, &in_book(&nested), &options).unwrap_err();
    assert!(error.starts_with("more than 256 namespaces are declared, in <a> at line 1, column "), "{error}");
}

#[test]
fn an_envelope_is_read_and_written_around_messages() {
    let schema = schema();
    let text = "<e:Envelope xmlns:e='urn:e'><e:Body><m:Create xmlns:m='urn:svc'><m:title>A</m:title><m:paper>\
                <p:pages xmlns:p='urn:bookstore.v1'>3</p:pages></m:paper></m:Create></e:Body></e:Envelope>";
    let mut lexer = Lexer::new(text.as_bytes(), Limits::default()).unwrap();
    lexer.root().unwrap();
    assert!(lexer.is("urn:e", "Envelope") && lexer.name() == b"e:Envelope" && lexer.depth() == 1);
    assert!(lexer.child().unwrap() && lexer.is("urn:e", "Body"));
    assert!(lexer.child().unwrap() && lexer.is("urn:svc", "Create"));
    let mut wire = Vec::new();
    read_content(&schema, id(&schema, BOOK), &mut lexer, "urn:svc", false, &mut wire).unwrap();
    assert!(!lexer.child().unwrap(), "the end of the body");
    assert!(!lexer.child().unwrap(), "the end of the envelope");
    lexer.finish().unwrap();
    assert_eq!(json_of(&schema, BOOK, &wire), r#"{"title":"A","paper":{"pages":3}}"#);

    let mut xml = b"<e:Body>".to_vec();
    let element = Element { name: "CreateResponse", namespace: "urn:svc" };
    write_as(&schema, id(&schema, BOOK), &wire, element, &WriteOptions::default(), &mut xml).unwrap();
    let expected = "<e:Body><CreateResponse xmlns=\"urn:svc\"><title>A</title><paper xmlns:n1=\"urn:bookstore.v1\">\
                    <n1:pages>3</n1:pages></paper></CreateResponse>";
    assert_eq!(String::from_utf8(xml).unwrap(), expected);
}

#[test]
fn text_and_attributes_are_escaped() {
    let table = [
        ("a\tb\nc\rd \"'", "a\tb\nc&#13;d \"'", "a&#9;b&#10;c&#13;d &quot;'"),
        ("<a>&]]>", "&lt;a&gt;&amp;]]&gt;", "&lt;a&gt;&amp;]]&gt;"),
        (
            "\u{0}\u{1f}\u{fffe}\u{ffff}\u{fffd}é",
            "_x0000__x001F__xFFFE__xFFFF_\u{fffd}é",
            "_x0000__x001F__xFFFE__xFFFF_\u{fffd}é",
        ),
        // In a text `_` is escaped in front of what reads as an escape; nothing in an attribute does.
        ("_x0041_ _x_ __x00e9_", "_x005F_x0041_ _x_ __x005F_x00e9_", "_x0041_ _x_ __x00e9_"),
        ("", "", ""),
    ];
    for (text, expected, in_attribute) in table {
        let (mut found, mut attribute) = (b"before ".to_vec(), b"before ".to_vec());
        push_text(&mut found, text);
        push_attribute(&mut attribute, text);
        assert_eq!(String::from_utf8(found).unwrap(), format!("before {expected}"), "{text:?}");
        assert_eq!(String::from_utf8(attribute).unwrap(), format!("before {in_attribute}"), "{text:?}");
    }
}

#[test]
fn what_cannot_be_written_is_named_with_its_field() {
    let schema = schema();
    let table: [(&[u8], &str); 4] = [
        (&[0x12, 0x02, 0xff, 0xfe], "title: the text is not UTF-8"),
        (&[0x07], "this is no valid protobuf: a wire type is unknown, at byte 0"),
        (
            &[0x32, 0x08, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            "publishTime: the Timestamp lies outside the years 1 to 9999",
        ),
        (
            &[0x12, 0x05, b'a'],
            "this is no valid protobuf: a value goes on after the end of the message, at byte 1",
        ),
    ];
    for (wire, expected) in table {
        let mut text = b"before".to_vec();
        let error = write(&schema, id(&schema, BOOK), wire, &WriteOptions::default(), &mut text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{wire:x?}");
        assert_eq!(text, b"before");
    }
    // Each 300 bytes of text become 2,100.
    let options = WriteOptions { max_text: 1000, ..WriteOptions::default() };
    let wire = [&[0x12, 0xac, 0x02][..], &[1; 300]].concat();
    let error = write(&schema, id(&schema, BOOK), &wire, &options, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "its XML text is longer than 1000 bytes");
}

#[test]
fn a_status_keeps_details_that_cannot_be_read() {
    let schema = schema();
    let detail = |name: &str, value: &[u8]| Detail {
        type_url: format!("type.googleapis.com/{name}"),
        value: value.to_vec().into(),
    };
    let status = Status::caller(Code::NotFound, "No <book>.")
        .with_detail(detail("bookstore.v1.Paper", &[0x07]))
        .with_detail(detail("no.such.Type", &[1, 2]))
        .with_detail(detail("bookstore.v1.Paper", &wire_of(&schema, "bookstore.v1.Paper", r#"{"pages":3}"#)));
    let mut xml = Vec::new();
    write_status(&schema, &status, &WriteOptions::default(), &mut xml);
    let start = "<details xmlns:n1=\"urn:google.protobuf\"><n1:type>type.googleapis.com/";
    let expected = format!(
        "<Status xmlns=\"urn:google.rpc\"><code>5</code><message>No &lt;book&gt;.</message>\
         {start}bookstore.v1.Paper</n1:type><n1:value>Bw==</n1:value></details>\
         {start}no.such.Type</n1:type><n1:value>AQI=</n1:value></details>\
         {start}bookstore.v1.Paper</n1:type><Paper xmlns=\"urn:bookstore.v1\"><pages>3</pages></Paper></details>\
         </Status>"
    );
    assert_eq!(String::from_utf8(xml).unwrap(), expected);
}
