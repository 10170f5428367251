//! WSDL 1.1 of a service, document/literal wrapped, with bindings for SOAP 1.1 and SOAP 1.2:
//! <https://www.w3.org/TR/wsdl>, <https://www.w3.org/Submission/wsdl11soap12/>.
//!
//! The schemas are inside, so that the document stands for itself.

use super::comments::Comments;
use super::text::{Attribute, Xml};
use super::xsd::{Prefixes, Writer, operations, response_name, types_of};
use crate::schema::Schema;
use crate::schema::method::{Method, Service};
use crate::schema::xml_name::{namespace, spelled};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";

/// The two bindings: what stands behind the service's name, the prefix and the namespace.
const BINDINGS: [(&str, &str, &str); 2] = [
    ("Soap11", "soap", "http://schemas.xmlsoap.org/wsdl/soap/"),
    ("Soap12", "soap12", "http://schemas.xmlsoap.org/wsdl/soap12/"),
];

/// The transport of both.
const HTTP: &str = "http://schemas.xmlsoap.org/soap/http";
/// The name of the fault of each operation.
const FAULT: &str = "Status";
/// The package of the message that faults hold.
const RPC: &str = "google.rpc";

/// The WSDL of a service that is reached at `address`.
pub fn of_service(schema: &Schema, service: &Service, address: &str, comments: Comments) -> String {
    let full_name = schema.text(service.name());
    let types = types_of(schema, operations(service));
    let prefixes = Prefixes::new(types.keys().map(String::as_str), Some(full_name));
    let mut writer = Document {
        schema,
        service,
        full_name,
        short: spelled(full_name.rsplit('.').next().unwrap_or_default()).into_owned(),
        comments,
        xml: Xml::new(),
    };
    let (short, declarations) = (writer.short.clone(), prefixes.declarations());
    let target = namespace(full_name);
    let mut attributes: Vec<Attribute<'_>> = vec![
        ("name", &short),
        ("targetNamespace", &target),
        ("xmlns:wsdl", WSDL),
        ("xmlns:xs", "http://www.w3.org/2001/XMLSchema"),
    ];
    let bindings = BINDINGS.map(|(_, prefix, namespace)| (format!("xmlns:{prefix}"), namespace));
    attributes.extend(bindings.iter().map(|(name, value)| (name.as_str(), *value)));
    attributes.extend(declarations.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    writer.xml.open("wsdl:definitions", &attributes);
    writer.documentation(full_name);
    writer.xml.open("wsdl:types", &[]);
    let mut schemas = Writer { schema, xml: &mut writer.xml, prefixes: &prefixes, location: None, comments };
    for (package, members) in &types {
        schemas.package(package, members);
    }
    schemas.service(service);
    writer.xml.close();
    writer.messages(&prefixes.qualified(RPC, "Status"));
    writer.port_type();
    for binding in BINDINGS {
        writer.binding(binding);
    }
    writer.service(address);
    writer.xml.finish()
}

/// The URI that names a method in the header SOAPAction of SOAP 1.1 and the parameter `action` of SOAP 1.2.
pub fn action(service: &str, method: &str) -> String {
    format!("{}/{method}", namespace(service))
}

struct Document<'a> {
    schema: &'a Schema,
    service: &'a Service,
    full_name: &'a str,
    /// The service's name without its package.
    short: String,
    comments: Comments,
    xml: Xml,
}

impl Document<'_> {
    /// The names of the methods, as they are and as names of XML.
    fn methods(&self) -> Vec<(String, String)> {
        let text = |method: &Method| self.schema.text(method.name());
        let names = operations(self.service).map(text);
        names.map(|name| (name.to_owned(), spelled(name).into_owned())).collect()
    }

    fn messages(&mut self, status: &str) {
        for (own, method) in self.methods() {
            let response = response_name(self.schema, self.service, &own);
            let parts = [("SoapIn", method.clone()), ("SoapOut", spelled(&response).into_owned())];
            for (suffix, element) in parts {
                self.xml.open("wsdl:message", &[("name", &format!("{method}{suffix}"))]);
                let element = format!("tns:{element}");
                self.xml.empty("wsdl:part", &[("name", "parameters"), ("element", &element)]);
                self.xml.close();
            }
        }
        self.xml.open("wsdl:message", &[("name", "Fault")]);
        self.xml.empty("wsdl:part", &[("name", "fault"), ("element", status)]);
        self.xml.close();
    }

    fn port_type(&mut self) {
        let short = self.short.clone();
        self.xml.open("wsdl:portType", &[("name", &short)]);
        for (own, method) in self.methods() {
            self.xml.open("wsdl:operation", &[("name", &method)]);
            self.documentation(&format!("{}.{own}", self.full_name));
            self.xml.empty("wsdl:input", &[("message", &format!("tns:{method}SoapIn"))]);
            self.xml.empty("wsdl:output", &[("message", &format!("tns:{method}SoapOut"))]);
            self.xml.empty("wsdl:fault", &[("name", FAULT), ("message", "tns:Fault")]);
            self.xml.close();
        }
        self.xml.close();
    }

    fn binding(&mut self, (suffix, prefix, _): (&str, &str, &str)) {
        let (name, of) = (format!("{}{suffix}", self.short), format!("tns:{}", self.short));
        self.xml.open("wsdl:binding", &[("name", &name), ("type", &of)]);
        self.xml.empty(&format!("{prefix}:binding"), &[("style", "document"), ("transport", HTTP)]);
        for (own, method) in self.methods() {
            self.xml.open("wsdl:operation", &[("name", &method)]);
            let action = action(self.full_name, &own);
            let attributes = [("soapAction", &*action), ("style", "document")];
            self.xml.empty(&format!("{prefix}:operation"), &attributes);
            for direction in ["wsdl:input", "wsdl:output"] {
                self.xml.open(direction, &[]);
                self.xml.empty(&format!("{prefix}:body"), &[("use", "literal")]);
                self.xml.close();
            }
            self.xml.open("wsdl:fault", &[("name", FAULT)]);
            self.xml.empty(&format!("{prefix}:fault"), &[("name", FAULT), ("use", "literal")]);
            self.xml.close();
            self.xml.close();
        }
        self.xml.close();
    }

    fn service(&mut self, address: &str) {
        let short = self.short.clone();
        self.xml.open("wsdl:service", &[("name", &short)]);
        for (suffix, prefix, _) in BINDINGS {
            let name = format!("{short}{suffix}");
            self.xml.open("wsdl:port", &[("name", &name), ("binding", &format!("tns:{name}"))]);
            self.xml.empty(&format!("{prefix}:address"), &[("location", address)]);
            self.xml.close();
        }
        self.xml.close();
    }

    fn documentation(&mut self, full_name: &str) {
        if let Some(comment) = self.comments.at(self.schema, full_name) {
            self.xml.with_text("wsdl:documentation", comment);
        }
    }
}
