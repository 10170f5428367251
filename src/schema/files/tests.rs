//! What is published of a set that is made here.

use std::collections::HashSet;

use bytes::Bytes;
use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, OneofDescriptorProto,
    ServiceDescriptorProto, SourceCodeInfo,
};

use super::{Files, Published};
use crate::schema::Schema;

fn field(name: &str, number: i32) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(5),
        label: Some(1),
        ..Default::default()
    }
}

fn extension(name: &str, number: i32, extendee: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { extendee: Some(extendee.into()), ..field(name, number) }
}

fn service(name: &str) -> ServiceDescriptorProto {
    let method = MethodDescriptorProto {
        name: Some("Do".into()),
        input_type: Some(".shop.Money".into()),
        output_type: Some(".shop.Money".into()),
        ..Default::default()
    };
    ServiceDescriptorProto { name: Some(name.into()), method: vec![method], ..Default::default() }
}

fn enumeration(name: &str, value: &str) -> EnumDescriptorProto {
    let value = EnumValueDescriptorProto { name: Some(value.into()), number: Some(0), ..Default::default() };
    EnumDescriptorProto { name: Some(name.into()), value: vec![value], ..Default::default() }
}

fn file(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: Some("shop".into()),
        dependency: imports.iter().map(|&name| name.into()).collect(),
        syntax: Some("proto2".into()),
        ..Default::default()
    }
}

/// An order service and its administration in one file, which imports two, and one file beside them.
fn shop() -> Vec<FileDescriptorProto> {
    let inner = DescriptorProto {
        name: Some("Inner".into()),
        extension: vec![extension("deep", 100, ".shop.Base")],
        ..Default::default()
    };
    let money = DescriptorProto {
        name: Some("Money".into()),
        field: vec![FieldDescriptorProto { oneof_index: Some(0), ..field("units", 1) }],
        oneof_decl: vec![OneofDescriptorProto { name: Some("amount".into()), ..Default::default() }],
        nested_type: vec![inner],
        enum_type: vec![enumeration("Kind", "CASH")],
        ..Default::default()
    };
    let range =
        prost_types::descriptor_proto::ExtensionRange { start: Some(100), end: Some(200), options: None };
    let base =
        DescriptorProto { name: Some("Base".into()), extension_range: vec![range], ..Default::default() };
    let common = FileDescriptorProto {
        message_type: vec![money, base],
        enum_type: vec![enumeration("Color", "RED")],
        extension: vec![extension("flat", 101, ".shop.Base")],
        ..file("shop/common.proto", &[])
    };
    let options = FileDescriptorProto {
        extension: vec![extension("secret_level", 50_001, ".google.protobuf.MessageOptions")],
        ..file("shop/options.proto", &["google/protobuf/descriptor.proto"])
    };
    let orders = FileDescriptorProto {
        service: vec![service("Orders"), service("Admin")],
        ..file("shop/orders.proto", &["shop/common.proto", "shop/options.proto"])
    };
    let hidden = FileDescriptorProto {
        service: vec![service("Hidden")],
        message_type: vec![DescriptorProto { name: Some("HiddenThing".into()), ..Default::default() }],
        extension: vec![extension("hidden", 102, ".shop.Base")],
        ..file("shop/hidden.proto", &["shop/common.proto"])
    };
    vec![common, options, orders, hidden]
}

fn set(file: Vec<FileDescriptorProto>) -> Bytes {
    FileDescriptorSet { file }.encode_to_vec().into()
}

fn published(files: Vec<FileDescriptorProto>, services: &[&str]) -> Published {
    let set = set(files);
    Schema::load(&[&set]).unwrap();
    Published::new(&Files::new([set]), services.iter().map(|&name| name.to_owned()).collect())
}

fn name_of(published: &Published, id: super::FileId) -> String {
    FileDescriptorProto::decode(published.bytes(id)).unwrap().name.unwrap()
}

#[test]
fn symbols_of_every_kind_are_found_in_their_file() {
    let published = published(shop(), &["shop.Orders"]);
    for (symbol, expected) in [
        ("shop.Orders", Some("shop/orders.proto")),
        ("shop.Orders.Do", Some("shop/orders.proto")),
        ("shop.Money", Some("shop/common.proto")),
        ("shop.Money.units", Some("shop/common.proto")),
        ("shop.Money.amount", Some("shop/common.proto")),
        ("shop.Money.Inner", Some("shop/common.proto")),
        ("shop.Money.Inner.deep", Some("shop/common.proto")),
        ("shop.Money.Kind", Some("shop/common.proto")),
        ("shop.Money.CASH", Some("shop/common.proto")),
        ("shop.Color", Some("shop/common.proto")),
        ("shop.RED", Some("shop/common.proto")),
        ("shop.flat", Some("shop/common.proto")),
        ("shop.secret_level", Some("shop/options.proto")),
        ("google.protobuf.MessageOptions", Some("google/protobuf/descriptor.proto")),
        ("shop", None),
        ("shop.", None),
        ("", None),
        (".", None),
        ("shop.Color.RED", None),
        ("shop.Orders.Undo", None),
        ("shop.Orders.Do.More", None),
        ("shop.Money.units.More", None),
        ("shop.Money.Inner.", None),
        ("shop.Admin", None),
        ("shop.Admin.Do", None),
        ("shop.Hidden", None),
        ("shop.HiddenThing", None),
        ("shop.hidden", None),
        ("google.rpc.Status", None),
    ] {
        let found = published.by_symbol(symbol).map(|id| name_of(&published, id));
        assert_eq!(found.as_deref(), expected, "{symbol}");
    }
    assert!(published.has_message("shop.Money.Inner") && !published.has_message("shop.Color"));
}

#[test]
fn files_are_those_that_the_services_need() {
    let published = published(shop(), &["shop.Orders"]);
    for (name, is_there) in [
        ("shop/orders.proto", true),
        ("shop/common.proto", true),
        ("shop/options.proto", true),
        ("google/protobuf/descriptor.proto", true),
        ("shop/hidden.proto", false),
        ("google/rpc/status.proto", false),
        ("", false),
    ] {
        assert_eq!(published.by_name(name).is_some(), is_there, "{name}");
    }
    let orders = published.by_name("shop/orders.proto").unwrap();
    let imports = published.imports(orders).iter().map(|&id| name_of(&published, id));
    assert_eq!(imports.collect::<Vec<_>>(), ["shop/common.proto", "shop/options.proto"]);
}

#[test]
fn extensions_are_found_at_any_depth_and_not_in_other_files() {
    let published = published(shop(), &["shop.Orders"]);
    let numbers = |of: &str| published.extension_numbers(of).collect::<Vec<_>>();
    assert_eq!(numbers("shop.Base"), [100, 101]);
    assert_eq!(numbers("google.protobuf.MessageOptions"), [50_001]);
    assert_eq!(numbers("shop.Money"), [0; 0]);
    let found = |number| published.by_extension("shop.Base", number).map(|id| name_of(&published, id));
    assert_eq!(found(100).as_deref(), Some("shop/common.proto"));
    assert_eq!((found(102), found(-1)), (None, None));
}

#[test]
fn files_are_given_byte_by_byte_unless_a_service_is_left_out() {
    let mut files = shop();
    // A field of an edition that nobody here knows, in the options of a file and behind its services.
    let unknown = b"\xfa\xff\x01\x03abc";
    let with_unknown = |file: &FileDescriptorProto| [file.encode_to_vec(), unknown.to_vec()].concat();
    let wires: Vec<Vec<u8>> = files.iter().map(with_unknown).collect();
    let mut set = Vec::new();
    wires.iter().for_each(|wire| crate::wire::writer::bytes(&mut set, 1, wire));
    let of = |services: &[&str]| {
        let services: HashSet<_> = services.iter().map(|&name| name.to_owned()).collect();
        Published::new(&Files::new([Bytes::from(set.clone())]), services)
    };
    let both = of(&["shop.Orders", "shop.Admin"]);
    for (name, wire) in [("shop/common.proto", &wires[0]), ("shop/orders.proto", &wires[2])] {
        assert_eq!(both.bytes(both.by_name(name).unwrap()), wire, "{name}");
    }
    let one = of(&["shop.Orders"]);
    files[2].service.truncate(1);
    assert_eq!(one.bytes(one.by_name("shop/orders.proto").unwrap()), with_unknown(&files[2]));
}

#[test]
fn comments_are_left_out_and_nothing_else() {
    let plain = shop();
    let mut commented = shop();
    for file in &mut commented {
        let location = prost_types::source_code_info::Location {
            path: vec![6, 1],
            leading_comments: Some("Ask Eve for the key.".into()),
            ..Default::default()
        };
        file.source_code_info = Some(SourceCodeInfo { location: vec![location] });
    }
    let [plain, commented] = [plain, commented].map(|files| published(files, &["shop.Orders", "shop.Admin"]));
    for name in ["shop/common.proto", "shop/options.proto", "shop/orders.proto"] {
        let bytes = |published: &Published| published.bytes(published.by_name(name).unwrap());
        assert_eq!(bytes(&plain), bytes(&commented), "{name}");
    }
}

/// A set without comments is kept as it is, so that it costs no more than its bytes.
#[test]
fn sets_are_kept_in_place() {
    let set = set(shop());
    let files = Files::new([set.clone()]);
    let first = files.all().next().unwrap();
    assert!(set.as_ptr_range().contains(&first.as_ptr()));
}
