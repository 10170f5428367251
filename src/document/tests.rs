//! Documents against what they say of the messages of the tests. That they are valid, and that answers are valid by them,
//! is for the integration tests, which have validators.

use super::comments::Comments;
use super::{wsdl, xsd};
use crate::schema::Schema;
use crate::schema::method::Service;

const ECHO: &[u8] = include_bytes!("../../fuzz/echo.binpb");

fn package(package: &str) -> Option<String> {
    let schema = Schema::load(&[ECHO]).unwrap();
    let types = xsd::types_of(&schema, schema.services().iter().flat_map(Service::methods));
    xsd::of_package(&schema, &types, package, &|package| format!("?xsd={package}"), Comments::Written)
}

/// The lines around the first one with `start`, without indentation, to the end of that element.
#[track_caller]
fn part(document: &str, start: &str) -> String {
    let lines: Vec<_> = document.lines().collect();
    let from = lines.iter().position(|line| line.trim().starts_with(start));
    let from = from.unwrap_or_else(|| panic!("no {start} in\n{document}"));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_inside = |line: &&&str| indent(line) > indent(lines[from]);
    let inside = lines[from + 1..].iter().take_while(is_inside).count();
    lines[from..=from + inside].iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
}

#[test]
fn fields_are_elements_of_the_type_that_carries_them() {
    let document = package("echo.v1").unwrap();
    for line in [
        r#"<xs:import namespace="urn:google.api" schemaLocation="?xsd=google.api"/>"#,
        r#"<xs:import namespace="urn:google.protobuf" schemaLocation="?xsd=google.protobuf"/>"#,
        r#"<xs:element name="Everything" type="p1:Everything"/>"#,
        r#"<xs:element name="double" type="xs:double" minOccurs="0"/>"#,
        r#"<xs:element name="sint64" type="xs:long" minOccurs="0"/>"#,
        r#"<xs:element name="fixed64" type="xs:unsignedLong" minOccurs="0"/>"#,
        r#"<xs:element name="bytes" type="xs:base64Binary" minOccurs="0"/>"#,
        r#"<xs:element name="colour" type="p1:Colour" minOccurs="0"/>"#,
        r#"<xs:element name="child" type="p1:Everything" minOccurs="0"/>"#,
        r#"<xs:element name="children" type="p1:Everything" minOccurs="0" maxOccurs="unbounded"/>"#,
        r#"<xs:element name="choiceEmpty" type="p3:Empty" minOccurs="0"/>"#,
        r#"<xs:element name="timestamp" type="xs:dateTime" minOccurs="0"/>"#,
        r#"<xs:element name="value" type="p3:Value" nillable="true" minOccurs="0"/>"#,
        r#"<xs:element name="int64Value" type="xs:long" nillable="true" minOccurs="0"/>"#,
        r#"<xs:element name="_x0040_own" type="xs:string" minOccurs="0"/>"#,
        r#"<xs:complexType name="StoreResponse.File">"#,
    ] {
        assert!(document.lines().any(|other| other.trim() == line), "{line}\n{document}");
    }
    let map = r#"<xs:element name="byBool" minOccurs="0">
<xs:complexType>
<xs:sequence>
<xs:element name="entry" minOccurs="0" maxOccurs="unbounded">
<xs:complexType>
<xs:sequence>
<xs:element name="key" type="xs:boolean"/>
<xs:element name="value" type="xs:dateTime"/>
</xs:sequence>
</xs:complexType>
</xs:element>
</xs:sequence>
</xs:complexType>"#;
    assert_eq!(part(&document, r#"<xs:element name="byBool""#), map);
    let colour = r#"<xs:simpleType name="Colour">
<xs:restriction base="xs:string">
<xs:enumeration value="COLOUR_UNSPECIFIED"/>
<xs:enumeration value="RED"/>
<xs:enumeration value="GREEN"/>
<xs:enumeration value="INFRARED"/>
</xs:restriction>"#;
    assert_eq!(part(&document, r#"<xs:simpleType name="Colour""#), colour);
    assert!(!document.contains("ByBoolEntry"));
    assert_eq!((package("echo"), package("")), (None, None));
}

#[test]
fn a_wsdl_says_how_each_method_is_called() {
    let schema = Schema::load(&[ECHO]).unwrap();
    let service = schema.service("echo.v1.Streams").unwrap();
    let document =
        wsdl::of_service(&schema, service, "http://localhost/soap/echo.v1.Streams", Comments::Written);
    let watch = r#"<wsdl:operation name="Watch">
<wsdl:input message="tns:WatchSoapIn"/>
<wsdl:output message="tns:WatchSoapOut"/>
<wsdl:fault name="Status" message="tns:Fault"/>"#;
    assert_eq!(part(&document, "<wsdl:operation"), watch);
    let answer = r#"<xs:element name="WatchResponse">
<xs:complexType>
<xs:sequence>
<xs:element name="item" minOccurs="0" maxOccurs="unbounded">
<xs:complexType>
<xs:sequence>
<xs:element name="id" type="xs:string" minOccurs="0"/>
<xs:element name="number" type="xs:unsignedInt" minOccurs="0"/>
<xs:element name="text" type="xs:string" minOccurs="0"/>
<xs:element name="code" type="xs:int" minOccurs="0"/>
<xs:element name="hang" type="xs:boolean" minOccurs="0"/>
</xs:sequence>
</xs:complexType>
</xs:element>
</xs:sequence>
</xs:complexType>"#;
    assert_eq!(part(&document, r#"<xs:element name="WatchResponse""#), answer);
    let ports = r#"<wsdl:service name="Streams">
<wsdl:port name="StreamsSoap11" binding="tns:StreamsSoap11">
<soap:address location="http://localhost/soap/echo.v1.Streams"/>
</wsdl:port>
<wsdl:port name="StreamsSoap12" binding="tns:StreamsSoap12">
<soap12:address location="http://localhost/soap/echo.v1.Streams"/>
</wsdl:port>"#;
    assert_eq!(part(&document, "<wsdl:service"), ports);
    assert_eq!(wsdl::action("echo.v1.Streams", "Watch"), "urn:echo.v1.Streams/Watch");
    assert!(document.contains(r#"soapAction="urn:echo.v1.Streams/Watch""#));
    for left_out in ["Gather", "Chat", "Everything"] {
        assert!(!document.contains(left_out), "{left_out}\n{document}");
    }
}
