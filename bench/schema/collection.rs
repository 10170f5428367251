//! A collection of APIs such as cloud vendors publish: one package for each product and version, with
//! files of resources and files of services, names of the usual length, and a comment-free descriptor
//! set.

use transom::wire::WireType;
use transom::wire::writer;

const NOUNS: [&str; 24] = [
    "Instance",
    "Backup",
    "Cluster",
    "Policy",
    "Network",
    "Certificate",
    "Dataset",
    "Endpoint",
    "Pipeline",
    "Subscription",
    "Topic",
    "Snapshot",
    "Volume",
    "Account",
    "Budget",
    "Location",
    "Template",
    "Session",
    "Document",
    "Index",
    "Schedule",
    "Operation",
    "Registry",
    "Connection",
];
const ASPECTS: [&str; 12] = [
    "Config",
    "Metadata",
    "Options",
    "Details",
    "Summary",
    "Settings",
    "Usage",
    "Filter",
    "Target",
    "Source",
    "Metrics",
    "Condition",
];
const FIELDS: [&str; 30] = [
    "name",
    "display_name",
    "create_time",
    "update_time",
    "delete_time",
    "labels",
    "description",
    "etag",
    "state",
    "page_size",
    "page_token",
    "filter",
    "order_by",
    "next_page_token",
    "request_id",
    "validate_only",
    "kms_key_name",
    "network_uri",
    "service_account",
    "machine_type",
    "disk_size_gb",
    "node_count",
    "enable_private_endpoint",
    "max_retry_attempts",
    "satisfies_pzs",
    "resource_version",
    "reconciling",
    "annotations",
    "expire_time",
    "source_uris",
];
const VERBS: [(&str, u32); 7] =
    [("Get", 2), ("List", 2), ("Create", 4), ("Update", 6), ("Delete", 5), ("Export", 4), ("Restore", 4)];

/// A `FileDescriptorSet` of so many files with so many methods in all.
pub(crate) fn build(files: usize, methods: usize) -> Vec<u8> {
    let mut set = Vec::new();
    let mut placed = 0;
    for at in 0..files {
        // One file in four holds a service; the methods are spread evenly over them.
        let count =
            if at % 4 == 0 { (methods * (at / 4 + 1)).div_ceil(files.div_ceil(4)) - placed } else { 0 };
        let count = count.min(methods - placed);
        placed += count;
        nest(&mut set, 1, |file| write_file(file, at, count));
    }
    set
}

fn nest(out: &mut Vec<u8>, number: u32, content: impl FnOnce(&mut Vec<u8>)) {
    writer::tag(out, number, WireType::Len);
    let length = writer::Length::begin(out);
    content(out);
    length.end(out);
}

fn text(out: &mut Vec<u8>, number: u32, value: &str) {
    writer::bytes(out, number, value.as_bytes());
}

fn int(out: &mut Vec<u8>, number: u32, value: u64) {
    writer::tag(out, number, WireType::Varint);
    writer::varint(out, value);
}

fn write_file(file: &mut Vec<u8>, at: usize, methods: usize) {
    let noun = NOUNS[at % NOUNS.len()];
    let product = format!("{}{}", noun.to_lowercase(), at / 20);
    let package = format!("example.cloud.{product}.v{}", at % 3 + 1);
    text(file, 1, &format!("{}/file_{at}.proto", package.replace('.', "/")));
    text(file, 2, &package);
    for import in ["google/api/annotations.proto", "google/protobuf/timestamp.proto"] {
        text(file, 3, import);
    }
    // Files of one package must not share names.
    let resource = format!("{noun}{at}");
    write_message(file, &package, &resource, 12);
    for aspect in &ASPECTS[..3 + at % 4] {
        write_message(file, &package, &format!("{resource}{aspect}"), 8);
    }
    write_enum(file, &resource);
    if methods > 0 {
        let request = |at: usize| {
            let (verb, _) = VERBS[at % VERBS.len()];
            format!("{verb}{resource}{}Request", at / VERBS.len())
        };
        for method in 0..methods {
            write_message(file, &package, &request(method), 4);
        }
        nest(file, 6, |service| {
            text(service, 1, &format!("{resource}Service"));
            for method in 0..methods {
                write_method(service, &package, &resource, method, &request(method));
            }
        });
    }
    nest(file, 8, |options| {
        text(options, 1, &format!("com.{package}"));
        text(
            options,
            11,
            &format!("cloud.example.com/go/{product}/apiv{0}/{product}pb;{product}pb", at % 3 + 1),
        );
    });
    text(file, 12, "proto3");
}

fn write_message(file: &mut Vec<u8>, package: &str, name: &str, fields: usize) {
    nest(file, 4, |message| {
        text(message, 1, name);
        for at in 0..fields {
            let field = FIELDS[(at * 7 + name.len()) % FIELDS.len()];
            write_field(message, package, name, field, at as u64 + 1);
        }
    });
}

fn write_field(message: &mut Vec<u8>, package: &str, owner: &str, name: &str, number: u64) {
    nest(message, 2, |field| {
        text(field, 1, name);
        int(field, 3, number);
        int(field, 4, if name.ends_with('s') { 3 } else { 1 });
        let (kind, of) = match name {
            _ if name.ends_with("_time") => (11, Some(".google.protobuf.Timestamp".into())),
            "page_size" | "disk_size_gb" | "node_count" | "max_retry_attempts" => (5, None),
            "validate_only" | "reconciling" | "enable_private_endpoint" => (8, None),
            "filter" => (11, Some(format!(".{package}.{owner}"))),
            _ => (9, None),
        };
        int(field, 5, kind);
        if let Some(of) = of {
            text(field, 6, &of);
        }
        text(field, 10, &lower_camel(name));
    });
}

fn lower_camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |joined, word| joined + &word[..1].to_uppercase() + &word[1..])
}

fn write_enum(file: &mut Vec<u8>, resource: &str) {
    nest(file, 5, |each| {
        text(each, 1, &format!("{resource}State"));
        for (number, name) in ["UNSPECIFIED", "CREATING", "ACTIVE", "DELETING", "FAILED"].iter().enumerate() {
            nest(each, 2, |value| {
                text(value, 1, &format!("{}_STATE_{name}", resource.to_uppercase()));
                int(value, 2, number as u64);
            });
        }
    });
}

fn write_method(service: &mut Vec<u8>, package: &str, resource: &str, at: usize, request: &str) {
    let (verb, pattern) = VERBS[at % VERBS.len()];
    nest(service, 2, |method| {
        text(method, 1, &format!("{verb}{resource}{}", at / VERBS.len()));
        text(method, 2, &format!(".{package}.{request}"));
        text(method, 3, &format!(".{package}.{resource}"));
        nest(method, 4, |options| {
            nest(options, 72_295_728, |rule| {
                let path = format!("/v1/{{name=projects/*/locations/*/{}s{at}/*}}", resource.to_lowercase());
                text(rule, pattern, &path);
                if matches!(pattern, 4 | 6) {
                    text(rule, 7, "*");
                }
            });
        });
    });
}
