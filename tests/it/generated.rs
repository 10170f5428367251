//! The files that are generated once and committed, so that a build needs no generator: each is made
//! anew here and compared.
//!
//! To write them after a change of a `.proto` file:
//!
//! ```text
//! TRANSOM_REGENERATE=1 cargo test --test it generated
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::root;

/// The well-known types that the compiler has built in. Protos import them; none of ours declares them.
const WELL_KNOWN: [&str; 11] = [
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

#[test]
fn builtin_descriptors_are_up_to_date() {
    let protos = root().join("protos");
    let mut names: Vec<String> = WELL_KNOWN.map(str::to_owned).into();
    // What Transom answers itself is no part of others' schemas.
    names.extend(proto_files(&protos).into_iter().filter(|name| !name.starts_with("grpc/")));
    check("descriptors/builtin.binpb", &compile(&[&protos], &names));
}

#[test]
fn descriptors_of_own_services_are_up_to_date() {
    let protos = root().join("protos");
    let names: Vec<_> = proto_files(&protos).into_iter().filter(|name| name.starts_with("grpc/")).collect();
    check("descriptors/own.binpb", &compile(&[&protos], &names));
}

#[test]
fn bookstore_descriptors_are_up_to_date() {
    let (protos, example) = (root().join("protos"), root().join("examples/bookstore"));
    check("examples/bookstore/bookstore.binpb", &compile(&[&example, &protos], &["bookstore.proto".into()]));
}

#[test]
fn echo_descriptors_are_up_to_date() {
    let (protos, tests) = (root().join("protos"), root().join("tests/python"));
    check("fuzz/echo.binpb", &compile(&[&tests, &protos], &["echo.proto".into()]));
}

#[test]
fn benchmark_descriptors_are_up_to_date() {
    let protos = [root().join("bench/compare"), root().join("bench/codec/corpus"), root().join("protos")];
    let includes: Vec<&Path> = protos.iter().map(PathBuf::as_path).collect();
    check("bench/compare/orders.binpb", &compile(&includes, &["orders.proto".into()]));
    check("bench/compare/talk.binpb", &compile(&includes, &["talk.proto".into()]));
}

#[test]
fn chat_descriptors_are_up_to_date() {
    let (protos, example) = (root().join("protos"), root().join("examples/chat"));
    check("examples/chat/chat.binpb", &compile(&[&example, &protos], &["chat.proto".into()]));
}

#[test]
fn shop_descriptors_are_up_to_date() {
    let (protos, example) = (root().join("protos"), root().join("examples/shop"));
    check("examples/shop/shop.binpb", &compile(&[&example, &protos], &proto_files(&example)));
}

#[test]
fn bookstore_code_is_up_to_date() {
    check("src/demo/bookstore_v1.rs", &code("bookstore", "bookstore.proto", "bookstore.v1"));
}

#[test]
fn chat_code_is_up_to_date() {
    check("src/demo/chat_v1.rs", &code("chat", "chat.proto", "chat.v1"));
}

#[test]
fn shop_code_is_up_to_date() {
    for file in proto_files(&root().join("examples/shop")) {
        // users/v1/users.proto is of the package users.v1.
        let package = file.rsplit_once('/').unwrap().0.replace('/', ".");
        let path = format!("src/demo/{}.rs", package.replace('.', "_"));
        check(&path, &code("shop", &file, &package));
    }
}

/// The policies of the pages name the digests of their styles and scripts.
#[test]
fn digests_of_the_pages_are_up_to_date() {
    check_digests("examples/chat/chat.html");
    check_digests("examples/dashboard/dashboard.html");
}

fn check_digests(path: &str) {
    let mut page = fs::read_to_string(root().join(path)).unwrap();
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let content = page.split_once(&format!("<{element}>")).unwrap().1;
        let content = content.split_once(&format!("</{element}>")).unwrap().0;
        let digest = BASE64_STANDARD.encode(sha256(content.as_bytes()));
        let (before, after) = page.split_once(&format!("{directive} 'sha256-")).unwrap();
        let after = after.split_once('\'').unwrap().1;
        page = format!("{before}{directive} 'sha256-{digest}'{after}");
    }
    check(path, page.as_bytes());
}

/// SHA-256 as the library for TLS has it.
fn sha256(data: &[u8]) -> Vec<u8> {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    suite.tls13().unwrap().common.hash_provider.hash(data).as_ref().to_vec()
}

/// The code for the server of an example's proto.
fn code(example: &str, file: &str, package: &str) -> Vec<u8> {
    let includes = [root().join("examples").join(example), root().join("protos")];
    let mut compiler = protox::Compiler::new(includes).unwrap();
    // With the comments: they become the documentation of the code.
    compiler.include_imports(true).include_source_info(true).open_file(file).unwrap();

    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .btree_map(".")
        .extern_path(".google.api.HttpBody", "crate::demo::chat::HttpBody")
        .out_dir(out.path())
        .compile_fds(compiler.file_descriptor_set())
        .unwrap();
    fs::read(out.path().join(format!("{package}.rs"))).unwrap()
}

/// The protos below a folder, as they are imported, in alphabetical order.
fn proto_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Compiles protos and all they import into a `FileDescriptorSet` without source positions.
fn compile(includes: &[&Path], names: &[String]) -> Vec<u8> {
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true).include_source_info(false);
    if let Err(error) = compiler.open_files(names) {
        panic!("a proto does not compile: {error:?}");
    }
    compiler.encode_file_descriptor_set()
}

/// Fails if a committed file differs from what is generated, or writes it when that was asked for.
fn check(path: &str, expected: &[u8]) {
    let file = root().join(path);
    if std::env::var_os("TRANSOM_REGENERATE").is_some() {
        fs::write(file, expected).unwrap();
        return;
    }
    assert!(
        fs::read(file).is_ok_and(|found| found == expected),
        "{path} is not what its sources generate now.\n\
         Run `TRANSOM_REGENERATE=1 cargo test --test it generated` and commit the result."
    );
}
