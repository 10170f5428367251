//! XML Schema 1.0 of packages and services: <https://www.w3.org/TR/xmlschema-1/>.
//!
//! A message is a complex type and an element of the same name, in the namespace of its package. Its fields are a
//! sequence in order of declaration, each optional unless the message is not valid without it; members of a oneof
//! are optional elements, of which at most one comes. Clients that are generated from a choice are harder to use, and
//! in protobuf the last member wins in any case.

use std::collections::{BTreeMap, BTreeSet};

pub use super::types::Types;

use super::comments::Comments;
use super::text::{Attribute, Xml};
use super::types::{Form, described_fields, form, form_of_message, reachable, value_of};
use crate::schema::message::{Cardinality, Field, Kind, WellKnown};
use crate::schema::method::{Method, Service};
use crate::schema::xml_name::{self, namespace, spelled};
use crate::schema::{EnumId, MessageId, Presence, Schema, TypeId};

/// The package of the messages with a form of their own.
const PROTOBUF: &str = "google.protobuf";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// How often what is repeated may come.
const MANY: &[Attribute<'static>] = &[("minOccurs", "0"), ("maxOccurs", "unbounded")];

/// The element for each message of a stream.
pub const ITEM: &str = "item";
/// The element in an envelope's body for a message that is no sequence of fields, such as a
/// `google.protobuf.Timestamp`.
pub const VALUE: &str = "value";

/// The schema of the types of a package that are among `types`; nothing if there are none. `location` says where the
/// schema of another namespace is found, by the name of its package.
pub fn of_package(
    schema: &Schema,
    types: &Types,
    package: &str,
    location: &dyn Fn(&str) -> String,
    comments: Comments,
) -> Option<String> {
    let members = types.get(package)?;
    let mut xml = Xml::new();
    let prefixes = Prefixes::new(imports(schema, members).chain([package]), None);
    let writer =
        &mut Writer { schema, xml: &mut xml, prefixes: &prefixes, location: Some(location), comments };
    writer.package(package, members);
    Some(xml.finish())
}

/// The schema of the elements in the body of a service's envelopes.
pub fn of_service(
    schema: &Schema,
    service: &Service,
    location: &dyn Fn(&str) -> String,
    comments: Comments,
) -> String {
    let mut xml = Xml::new();
    let name = schema.text(service.name());
    let types = types_of(schema, operations(service));
    let prefixes = Prefixes::new(types.keys().map(String::as_str), Some(name));
    let writer =
        &mut Writer { schema, xml: &mut xml, prefixes: &prefixes, location: Some(location), comments };
    writer.service(service);
    xml.finish()
}

/// The types of the messages of methods, and of what faults hold.
pub fn types_of<'s>(schema: &Schema, methods: impl IntoIterator<Item = &'s Method>) -> Types {
    let of_method = |method: &Method| [method.input(), method.output()];
    let is_type = |id: &MessageId| matches!(form_of_message(schema, *id), Form::Named(..));
    let own = methods.into_iter().flat_map(of_method).filter(is_type);
    let details = schema.types_in("google.rpc").filter_map(|id| match id {
        TypeId::Message(id) if is_of_faults(schema, id) => Some(id),
        _ => None,
    });
    reachable(schema, own.chain(details))
}

/// `google.rpc.Status` and the messages of `google/rpc/error_details.proto`.
fn is_of_faults(schema: &Schema, id: MessageId) -> bool {
    const NAMES: [&str; 11] = [
        "BadRequest",
        "DebugInfo",
        "ErrorInfo",
        "Help",
        "LocalizedMessage",
        "PreconditionFailure",
        "QuotaFailure",
        "RequestInfo",
        "ResourceInfo",
        "RetryInfo",
        "Status",
    ];
    schema
        .text(schema.message(id).name())
        .strip_prefix("google.rpc.")
        .is_some_and(|name| NAMES.contains(&name))
}

/// The methods that a service offers in SOAP: those to which one message is sent.
pub fn operations(service: &Service) -> impl Iterator<Item = &Method> {
    service.methods().iter().filter(|method| !method.client_streaming())
}

/// The name of the element of a method's answer, before it is made a name of XML: that of the method and `Response`,
/// and underscores where the service has a method of that name.
pub fn response_name(schema: &Schema, service: &Service, method: &str) -> String {
    let mut name = format!("{method}Response");
    while service.method(schema, &name).is_some() {
        name.push('_');
    }
    name
}

/// The prefixes of namespaces, the same in all schemas of a document.
pub(super) struct Prefixes<'a> {
    packages: BTreeMap<&'a str, String>,
    service: Option<&'a str>,
}

impl<'a> Prefixes<'a> {
    pub(super) fn new(packages: impl Iterator<Item = &'a str>, service: Option<&'a str>) -> Self {
        let packages: BTreeSet<_> = packages.collect();
        let numbered = packages.into_iter().enumerate();
        let packages = numbered.map(|(index, package)| (package, format!("p{}", index + 1))).collect();
        Self { packages, service }
    }

    /// Their declarations.
    pub(super) fn declarations(&self) -> Vec<(String, String)> {
        let service = self.service.map(|service| ("xmlns:tns".to_owned(), namespace(service)));
        let named = self.packages.iter().filter(|(package, _)| !package.is_empty());
        let packages = named.map(|(package, prefix)| (format!("xmlns:{prefix}"), namespace(package)));
        service.into_iter().chain(packages).collect()
    }

    /// The name of something in a package.
    pub(super) fn qualified(&self, package: &str, local: &str) -> String {
        match self.packages.get(package) {
            Some(prefix) if !package.is_empty() => format!("{prefix}:{local}"),
            _ => local.to_owned(),
        }
    }
}

/// The name of the element and the type of a message or an enum, as XML spells it.
fn local(schema: &Schema, id: TypeId) -> String {
    let full_name = match id {
        TypeId::Message(id) => schema.message(id).name(),
        TypeId::Enum(id) => schema.enumeration(id).name(),
    };
    spelled(xml_name::local(schema.text(full_name), schema.package_of(id))).into_owned()
}

/// Whether it is a `google.protobuf.Value`, which may be null.
fn is_value(schema: &Schema, id: TypeId) -> bool {
    matches!(id, TypeId::Message(id) if schema.message(id).well_known() == Some(WellKnown::Value))
}

/// The packages that types refer to.
fn imports<'s>(schema: &'s Schema, members: &BTreeSet<TypeId>) -> impl Iterator<Item = &'s str> + use<'s> {
    let mut packages = BTreeSet::new();
    for member in members {
        let TypeId::Message(id) = *member else { continue };
        packages.extend(described_fields(schema, id).iter().filter_map(|field| package_of(schema, field)));
        if schema.message(id).well_known().is_some_and(|known| known != WellKnown::Any) {
            packages.extend([schema.package_of(*member)]);
        }
    }
    packages.into_iter()
}

fn package_of<'s>(schema: &'s Schema, field: &'s Field) -> Option<&'s str> {
    match form(schema, value_of(schema, field)) {
        Form::Named(_, package) => Some(package),
        Form::Simple(_) | Form::Nillable(_) => None,
    }
}

/// What an element in the body of an envelope holds.
enum Content<'s> {
    /// The fields of the message with this name.
    Fields(&'s str, &'s [Field]),
    /// An element of this name with a value.
    One(Form<'s>, &'static str, &'static [Attribute<'static>]),
    /// An element of this name with fields.
    Each(&'s str, &'s [Field], &'static str, &'static [Attribute<'static>]),
}

impl<'s> Content<'s> {
    fn of(schema: &'s Schema, id: MessageId, streams: bool) -> Self {
        let message = schema.message(id);
        let (full_name, fields) = (schema.text(message.name()), message.fields());
        match (streams, message.well_known()) {
            (true, Some(_)) => Self::One(form_of_message(schema, id), ITEM, MANY),
            (true, None) => Self::Each(full_name, fields, ITEM, MANY),
            (false, Some(_)) => Self::One(form_of_message(schema, id), VALUE, &[("minOccurs", "0")]),
            (false, None) => Self::Fields(full_name, fields),
        }
    }

    fn packages(&self, schema: &'s Schema) -> Vec<&'s str> {
        match self {
            Self::Fields(_, fields) | Self::Each(_, fields, ..) => {
                fields.iter().filter_map(|field| package_of(schema, field)).collect()
            }
            Self::One(Form::Named(_, package), ..) => vec![package],
            Self::One(..) => Vec::new(),
        }
    }
}

/// Writes `xs:schema` elements.
pub(super) struct Writer<'a> {
    pub(super) schema: &'a Schema,
    pub(super) xml: &'a mut Xml,
    pub(super) prefixes: &'a Prefixes<'a>,
    /// Where other schemas are found; absent where they are in the same document.
    pub(super) location: Option<&'a dyn Fn(&str) -> String>,
    pub(super) comments: Comments,
}

impl Writer<'_> {
    /// The schema of types of a package.
    pub(super) fn package(&mut self, package: &str, members: &BTreeSet<TypeId>) {
        let imports: BTreeSet<_> = imports(self.schema, members).filter(|other| *other != package).collect();
        self.open(package, &imports);
        for member in members {
            match *member {
                TypeId::Message(id) => self.message(package, id),
                TypeId::Enum(id) => self.enumeration(id),
            }
        }
        self.xml.close();
    }

    /// The schema of the elements of a service.
    pub(super) fn service(&mut self, service: &Service) {
        let schema = self.schema;
        let contents = operations(service).flat_map(|method| {
            let answer = Content::of(schema, method.output(), method.server_streaming());
            [Content::of(schema, method.input(), false), answer]
        });
        let imports: BTreeSet<_> = contents.flat_map(|content| content.packages(schema)).collect();
        self.open(schema.text(service.name()), &imports);
        for method in operations(service) {
            let own = schema.text(method.name());
            self.wrapper(own, Content::of(schema, method.input(), false));
            let response = response_name(schema, service, own);
            self.wrapper(&response, Content::of(schema, method.output(), method.server_streaming()));
        }
        self.xml.close();
    }

    fn open(&mut self, package: &str, imports: &BTreeSet<&str>) {
        let target = namespace(package);
        let declarations = self.prefixes.declarations();
        let mut attributes: Vec<Attribute<'_>> = vec![("xmlns:xs", XSD)];
        attributes.extend(declarations.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if !package.is_empty() {
            attributes.push(("targetNamespace", &target));
        }
        attributes.push(("elementFormDefault", "qualified"));
        self.xml.open("xs:schema", &attributes);
        for package in imports {
            let imported = namespace(package);
            let location = self.location.map(|location| location(package));
            let mut attributes = Vec::new();
            if !package.is_empty() {
                attributes.push(("namespace", imported.as_str()));
            }
            attributes.extend(location.as_deref().map(|location| ("schemaLocation", location)));
            self.xml.empty("xs:import", &attributes);
        }
    }

    /// The element and the type of a message.
    fn message(&mut self, package: &str, id: MessageId) {
        let full_name = self.schema.text(self.schema.message(id).name());
        let local = local(self.schema, TypeId::Message(id));
        match form_of_message(self.schema, id) {
            // By itself it is nil where it is an answer that the backend left out.
            Form::Simple(simple) | Form::Nillable(simple) => {
                let attributes = [("name", &*local), ("type", simple), ("nillable", "true")];
                self.xml.empty("xs:element", &attributes);
            }
            Form::Named(..) => {
                let own = self.prefixes.qualified(package, &local);
                let mut attributes = vec![("name", &*local), ("type", &*own)];
                attributes.extend(is_value(self.schema, TypeId::Message(id)).then_some(("nillable", "true")));
                self.xml.empty("xs:element", &attributes);
                self.complex(&local, full_name, id);
            }
        }
    }

    fn complex(&mut self, local: &str, full_name: &str, id: MessageId) {
        match self.schema.message(id).well_known() {
            Some(known) => self.dynamic(local, known),
            None => {
                self.xml.open("xs:complexType", &[("name", local)]);
                self.documentation(full_name);
                self.fields(full_name, described_fields(self.schema, id));
                self.xml.close();
            }
        }
    }

    fn enumeration(&mut self, id: EnumId) {
        let schema = self.schema;
        let each = schema.enumeration(id);
        let full_name = schema.text(each.name());
        let local = local(schema, TypeId::Enum(id));
        self.xml.open("xs:simpleType", &[("name", &local)]);
        self.documentation(full_name);
        self.xml.open("xs:restriction", &[("base", "xs:string")]);
        for value in each.values() {
            let text = schema.text(value.name());
            self.documented("xs:enumeration", &[("value", text)], &format!("{full_name}.{text}"));
        }
        self.xml.close();
        self.xml.close();
    }

    /// The type of a message with a form of its own.
    fn dynamic(&mut self, local: &str, known: WellKnown) {
        let value = self.prefixes.qualified(PROTOBUF, "Value");
        match known {
            WellKnown::Any => {
                self.xml.open("xs:complexType", &[("name", local)]);
                self.xml.open("xs:sequence", &[("minOccurs", "0")]);
                self.xml.empty("xs:element", &[("name", "type"), ("type", "xs:anyURI")]);
                self.xml.empty("xs:any", &[("processContents", "lax"), ("minOccurs", "0")]);
                self.xml.close();
                self.xml.close();
            }
            WellKnown::Struct => {
                self.xml.open("xs:complexType", &[("name", local)]);
                self.xml.open("xs:sequence", &[]);
                self.entry(&value, MANY);
                self.xml.close();
                self.xml.close();
            }
            WellKnown::ListValue => {
                self.xml.open("xs:complexType", &[("name", local)]);
                self.xml.open("xs:sequence", &[]);
                self.item(&value, MANY);
                self.xml.close();
                self.xml.close();
            }
            _ => self.value(local, &value),
        }
    }

    /// The type of a `google.protobuf.Value`: text, or what a Struct or a ListValue holds.
    fn value(&mut self, local: &str, own: &str) {
        let more = [("maxOccurs", "unbounded")];
        self.xml.open("xs:complexType", &[("name", local), ("mixed", "true")]);
        self.xml.open("xs:choice", &[("minOccurs", "0")]);
        self.entry(own, &more);
        self.item(own, &more);
        self.xml.close();
        self.xml.open("xs:attribute", &[("name", "kind"), ("use", "required")]);
        self.xml.open("xs:simpleType", &[]);
        self.xml.open("xs:restriction", &[("base", "xs:string")]);
        for kind in ["null", "number", "string", "bool", "struct", "list"] {
            self.xml.empty("xs:enumeration", &[("value", kind)]);
        }
        for _ in 0..4 {
            self.xml.close();
        }
    }

    /// The entries of a Struct.
    fn entry(&mut self, value: &str, occurs: &[Attribute<'_>]) {
        let attributes = [&[("name", "entry")], occurs].concat();
        self.xml.open("xs:element", &attributes);
        self.xml.open("xs:complexType", &[]);
        self.xml.open("xs:sequence", &[]);
        self.xml.empty("xs:element", &[("name", "key"), ("type", "xs:string")]);
        self.xml.empty("xs:element", &[("name", "value"), ("type", value), ("nillable", "true")]);
        for _ in 0..3 {
            self.xml.close();
        }
    }

    /// The items of a ListValue.
    fn item(&mut self, value: &str, occurs: &[Attribute<'_>]) {
        let attributes = [&[("name", ITEM), ("type", value), ("nillable", "true")], occurs].concat();
        self.xml.empty("xs:element", &attributes);
    }

    /// An element of an envelope's body.
    fn wrapper(&mut self, element: &str, content: Content<'_>) {
        self.xml.open("xs:element", &[("name", &spelled(element))]);
        self.xml.open("xs:complexType", &[]);
        match content {
            Content::Fields(full_name, fields) => self.fields(full_name, fields),
            Content::One(form, element, occurs) => {
                self.xml.open("xs:sequence", &[]);
                let (type_name, nillable) = self.type_of(&form);
                let mut attributes = vec![("name", element), ("type", &*type_name)];
                attributes.extend(nillable.then_some(("nillable", "true")));
                attributes.extend_from_slice(occurs);
                self.xml.empty("xs:element", &attributes);
                self.xml.close();
            }
            Content::Each(full_name, fields, element, occurs) => {
                self.xml.open("xs:sequence", &[]);
                self.xml.open("xs:element", &[&[("name", element)], occurs].concat());
                self.xml.open("xs:complexType", &[]);
                self.fields(full_name, fields);
                for _ in 0..3 {
                    self.xml.close();
                }
            }
        }
        self.xml.close();
        self.xml.close();
    }

    fn fields(&mut self, full_name: &str, fields: &[Field]) {
        if fields.is_empty() {
            return self.xml.empty("xs:sequence", &[]);
        }
        self.xml.open("xs:sequence", &[]);
        for field in fields {
            self.field(full_name, field);
        }
        self.xml.close();
    }

    fn field(&mut self, message: &str, field: &Field) {
        let schema = self.schema;
        let proto_name = schema.text(field.name());
        let documented = match proto_name.strip_prefix('[') {
            Some(extension) => extension.trim_end_matches(']').to_owned(),
            None => format!("{message}.{proto_name}"),
        };
        let local = spelled(schema.text(field.json_name())).into_owned();
        let occurs: &[Attribute<'_>] = match field.cardinality() {
            Cardinality::Singular(Presence::Required) => &[],
            Cardinality::Singular(_) | Cardinality::Map => &[("minOccurs", "0")],
            Cardinality::Repeated { .. } => MANY,
        };
        if field.cardinality() == Cardinality::Map {
            return self.map(&local, &documented, field);
        }
        let (type_name, nillable) = self.type_of(&form(schema, field));
        let mut attributes = vec![("name", &*local), ("type", &*type_name)];
        attributes.extend(nillable.then_some(("nillable", "true")));
        attributes.extend_from_slice(occurs);
        self.documented("xs:element", &attributes, &documented);
    }

    fn map(&mut self, local: &str, documented: &str, field: &Field) {
        let schema = self.schema;
        let Kind::Message(entry) = field.kind() else { return };
        let Some((key, value)) = schema.message(entry).entry() else { return };
        self.xml.open("xs:element", &[("name", local), ("minOccurs", "0")]);
        self.documentation(documented);
        self.xml.open("xs:complexType", &[]);
        self.xml.open("xs:sequence", &[]);
        self.xml.open("xs:element", &[("name", "entry"), ("minOccurs", "0"), ("maxOccurs", "unbounded")]);
        self.xml.open("xs:complexType", &[]);
        self.xml.open("xs:sequence", &[]);
        for (name, member) in [("key", key), ("value", value)] {
            let (type_name, nillable) = self.type_of(&form(schema, member));
            let mut attributes = vec![("name", name), ("type", &*type_name)];
            attributes.extend(nillable.then_some(("nillable", "true")));
            self.xml.empty("xs:element", &attributes);
        }
        for _ in 0..6 {
            self.xml.close();
        }
    }

    /// The name of a type, and whether values may be nil.
    fn type_of(&self, form: &Form<'_>) -> (String, bool) {
        match form {
            Form::Simple(simple) => ((*simple).to_owned(), false),
            Form::Nillable(simple) => ((*simple).to_owned(), true),
            Form::Named(id, package) => {
                let name = self.prefixes.qualified(package, &local(self.schema, *id));
                (name, is_value(self.schema, *id))
            }
        }
    }

    fn documented(&mut self, element: &str, attributes: &[Attribute<'_>], full_name: &str) {
        if self.comments.at(self.schema, full_name).is_none() {
            return self.xml.empty(element, attributes);
        }
        self.xml.open(element, attributes);
        self.documentation(full_name);
        self.xml.close();
    }

    fn documentation(&mut self, full_name: &str) {
        if let Some(comment) = self.comments.at(self.schema, full_name) {
            self.xml.open("xs:annotation", &[]);
            self.xml.with_text("xs:documentation", comment);
            self.xml.close();
        }
    }
}
