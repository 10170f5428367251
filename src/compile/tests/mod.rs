//! What a configuration compiles to, and what is said about one that does not.

use std::env::VarError;
use std::net::TcpListener;
use std::path::Path;

mod aggregates;
mod splits;
mod translations;
mod versions;

use super::reflections::PATIENCE;
use super::*;
use crate::config::load::parse;
use crate::route::table::Found;

const BOOKSTORE: &[u8] = include_bytes!("../../../examples/bookstore/bookstore.binpb");

/// A folder with the bookstore's descriptors, a broken set, and the files of a case.
fn folder(files: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("bookstore.binpb", BOOKSTORE);
    write("broken.binpb", b"\x0a\xff\xff\xff\xff\x0fno set");
    write("cut.binpb", &BOOKSTORE[..BOOKSTORE.len() / 2]);
    for file in files.split("==== ").skip(1) {
        let (name, content) = file.split_once('\n').unwrap();
        write(name, content.as_bytes());
    }
    folder
}

async fn compiled(yaml: &str, base: &Path) -> (Option<Snapshot>, Problems) {
    let environment = |_: &str| Err(VarError::NotPresent);
    let (config, mut problems) =
        parse("transom.yaml", yaml, base, &environment).unwrap_or_else(|problems| panic!("{problems}"));
    let compiled = compile_with(&config, &mut problems, false).await;
    (compiled.map(|compiled| compiled.snapshot), problems)
}

async fn compile_with(config: &Config, problems: &mut Problems, lenient: bool) -> Option<Compiled> {
    let needed = Reflections::needed(config);
    let supplies = Supplies::new(config, None, problems);
    let targets = |name: &str| supplies.targets(name);
    let (reflections, _) =
        Reflections::ask(config, &needed, &Reflections::default(), &targets, PATIENCE).await;
    let terms = Terms { cores: 1, live: None, reflections, supplies, lenient, guarded: true };
    compile(config, problems, terms).0
}

/// Each case of `problems.txt` is a name, a configuration, files beside it, and everything that is said.
#[tokio::test]
async fn problems_say_what_is_wrong_where_and_what_to_do() {
    check_cases(include_str!("problems.txt")).await;
}

async fn check_cases(cases: &str) {
    for case in cases.split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (input, expected) = rest.split_once("----\n").unwrap();
        let at = input.find("==== ").unwrap_or(input.len());
        let folder = folder(&input[at..]);
        let (snapshot, problems) = compiled(&input[..at], folder.path()).await;
        let said = problems.to_string().replace(folder.path().to_str().unwrap(), "DIR");
        assert_eq!(unbroken(&said), unbroken(expected), "{name}:\n{said}");
        assert_eq!(snapshot.is_none(), problems.errors() > 0, "{name}");
    }
}

/// Lines break by the length of the folder's name, which is another each time.
fn unbroken(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn unreachable_backends_are_all_reported() {
    // Ports where nobody listens.
    let [one, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let yaml = format!("upstreams:\n  one: http://{one}\n  other: http://{other}\nservices: [\"**\"]\n");
    let (snapshot, problems) = compiled(&yaml, Path::new("")).await;
    assert!(snapshot.is_none());
    let said = problems.to_string();
    for (name, address) in [("one", one), ("other", other)] {
        let wanted = format!("The descriptors of upstream \"{name}\" cannot be had:");
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains(&address.to_string()), "{said}");
    }
}

/// An upstream that cannot be asked takes nothing from the others, and what may be its own is no error.
#[tokio::test]
async fn a_lenient_compiler_leaves_out_what_cannot_be_asked() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let yaml = format!(
        "upstreams:\n  shop: {{targets: [\"http://127.0.0.1:1\"], descriptors: [{{set: bookstore.binpb}}]}}\n  \
         away: http://{nobody}\nservices: [\"**\", away.v1.Named]\nroutes: [{{path: /x, method: GET, call: away.v1.A/B}}]\n"
    );
    let folder = folder("");
    let environment = |_: &str| Err(VarError::NotPresent);
    let (config, mut problems) = parse("transom.yaml", &yaml, folder.path(), &environment).unwrap();
    let compiled = compile_with(&config, &mut problems, true).await.unwrap();
    assert_eq!((problems.errors(), problems.warnings()), (0, 1), "{problems}");
    let said = problems.to_string();
    assert!(said.contains("The descriptors of upstream \"away\" cannot be had:"), "{said}");
    assert!(
        said.contains("It is asked again. What the other upstreams define is served meanwhile."),
        "{said}"
    );
    assert_eq!(compiled.snapshot.exposed().count(), 19);
    assert_eq!(compiled.snapshot.missing[0].upstream, "away");

    // The next generation keeps the connections of what stays, by name, targets and settings.
    let channel = |compiled: &Compiled| compiled.live.reports().count();
    assert_eq!(channel(&compiled), 2);
    let reflections = compiled.live.reflections().clone();
    let live = Some(&compiled.live);
    let supplies = Supplies::new(&config, live, &mut Problems::default());
    let terms = Terms { cores: 1, live, reflections, supplies, lenient: true, guarded: true };
    let (next, _) = compile(&config, &mut Problems::default(), terms);
    let next = next.unwrap();
    assert_eq!(changes::breaking(compiled.generation(), next.generation()), []);
}

/// Only what descriptors take away breaks callers; what the configuration takes away is meant so.
#[tokio::test]
async fn what_breaks_is_by_descriptors_alone() {
    let folder = folder("");
    let write = |text: &str| std::fs::write(folder.path().join("a.proto"), text).unwrap();
    let proto = |path: &str, methods: &str| {
        format!(
            "syntax = \"proto3\"; package a.v1; import \"google/api/annotations.proto\"; message M {{ string id = 1; }} \
             service A {{ rpc Get(M) returns (M) {{ option (google.api.http) = {{get: \"{path}\"}}; }} {methods} }}"
        )
    };
    let yaml = |services: &str| {
        format!(
            "descriptors: [{{protos: {{include: [.], files: [a.proto]}}}}]\nupstreams: {{shop: \"http://127.0.0.1:1\"}}\n\
             services: [{services}]\n"
        )
    };
    let compiled = async |yaml: &str| {
        let environment = |_: &str| Err(VarError::NotPresent);
        let (config, mut problems) = parse("transom.yaml", yaml, folder.path(), &environment).unwrap();
        compile_with(&config, &mut problems, true).await.unwrap_or_else(|| panic!("{problems}"))
    };
    write(&proto("/old", "rpc List(M) returns (M);"));
    let old = compiled(&yaml("\"**\"")).await;
    let said = |new: &Compiled| {
        let changes = changes::breaking(old.generation(), new.generation());
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(said(&compiled(&yaml("other.*")).await), [""; 0], "by configuration");
    write(&proto("/new", ""));
    assert_eq!(
        said(&compiled(&yaml("\"**\"")).await),
        [
            "a.v1.A.Get: was reached by GET /old, is not reached by it. Breaks json: callers of this route get 404.",
            "a.v1.A.List: was a method, is gone. Breaks calls: its callers get UNIMPLEMENTED.",
        ]
    );
    let kept = yaml("\"**\"") + "routes: [{path: /old, method: GET, call: a.v1.A/Get}]\n";
    assert_eq!(said(&compiled(&kept).await).len(), 1, "the route goes on by configuration");
}

const CONFIGURED: &str = "
descriptors: [{set: bookstore.binpb}]
upstreams: {shop: http://127.0.0.1:1}
services:
  - service: bookstore.v1.*
    timeout: 2s
    json: {names: proto, defaults: emit, enums: number, unknown_fields: ignore}
    errors: {form: problem, expose: [UNKNOWN]}
    metadata: {request: [x-tenant], response: [location]}
routes:
  - {path: '/books/{name=**}', method: GET, call: bookstore.v1.Bookstore/GetBook}
  - {path: /v1/shelves, method: GET, call: bookstore.v1.Bookstore/ListAuthors, response_body: authors}
http: {body: 2KiB, body_timeout: 3s, request_timeout: 4s}
";

#[tokio::test]
async fn settings_reach_the_snapshot() {
    let folder = folder("");
    let (snapshot, problems) = compiled(CONFIGURED, folder.path()).await;
    let snapshot = snapshot.unwrap_or_else(|| panic!("{problems}"));
    let limits = &snapshot.limits;
    let found = (limits.body, limits.body_pause.as_secs(), limits.request.as_secs());
    assert_eq!(found, (2048, 3, 4));
    let options = &snapshot.surface.methods["bookstore.v1.Bookstore/GetBook"].endpoint.options;
    assert!(options.write.proto_names && options.write.emit_defaults && options.write.enum_numbers);
    assert!(options.problem_details && options.expose_unknown && !options.expose_debug_info);
    assert_eq!(options.timeout.unwrap().as_secs(), 2);
    assert_eq!(
        (&options.request_metadata[0], &options.response_metadata[0]),
        (&"x-tenant".parse().unwrap(), &http::header::LOCATION)
    );
}

#[tokio::test]
async fn routes_of_the_configuration_come_first() {
    let folder = folder("");
    let (snapshot, _) = compiled(CONFIGURED, folder.path()).await;
    let snapshot = snapshot.unwrap();
    let table = [
        ("GET", "/books/shelves/a/books/b", "GetBook"),
        ("GET", "/v1/shelves", "ListAuthors"),
        ("GET", "/v1/shelves/a", "GetShelf"),
        ("POST", "/bookstore.v1.Bookstore/CountBooks", "CountBooks"),
        ("PURGE", "/v1/shelves/a", "PurgeShelf"),
    ];
    for (verb, path, method) in table {
        let Found::Match { route, .. } = snapshot.surface.routes.find(verb, path) else {
            panic!("{verb} {path}")
        };
        assert_eq!(
            route.target().route().unwrap().endpoint.full_name,
            format!("bookstore.v1.Bookstore/{method}")
        );
    }
    // A method with an annotation is not reached by its name as well.
    let unreached = snapshot.surface.routes.find("POST", "/bookstore.v1.Bookstore/GetBook");
    assert!(matches!(unreached, Found::NotFound), "{unreached:?}");
}

#[tokio::test]
async fn services_are_mapped_as_far_as_they_should() {
    let folder = folder("");
    for (http, routes) in [("auto", 20), ("annotations", 19), ("none", 0)] {
        let yaml = format!(
            "descriptors: [{{set: bookstore.binpb}}]\nupstreams: {{shop: http://127.0.0.1:1}}\n\
             services: [{{service: \"**\", http: {http}}}]\n"
        );
        let (snapshot, problems) = compiled(&yaml, folder.path()).await;
        let snapshot = snapshot.unwrap_or_else(|| panic!("{problems}"));
        assert_eq!(snapshot.surface.routes.routes().len(), routes, "{http}");
        assert_eq!(snapshot.exposed().count(), 19, "{http}");
    }
}

const TWO: &str = "
upstreams:
  one: {targets: [http://127.0.0.1:1], descriptors: [{set: bookstore.binpb}]}
  two: {targets: [http://127.0.0.1:2], descriptors: [{set: bookstore.binpb}]}
services:
  - {service: bookstore.v1.*, upstream: two}
";

#[tokio::test]
async fn an_upstream_can_be_chosen() {
    let folder = folder("");
    let (snapshot, _) = compiled(TWO, folder.path()).await;
    assert!(snapshot.unwrap().exposed().all(|own| own.endpoint.upstream == "two"));
}

/// The own services, as an operator meets them: on, off, and with a backend's in their place.
#[tokio::test]
async fn own_services_are_there_unless_they_are_off_or_a_backends_are_exposed() {
    let folder = folder("");
    let of = async |more: &str| {
        let yaml = format!(
            "upstreams:\n  shop: {{targets: [\"http://127.0.0.1:1\"], descriptors: [{{set: bookstore.binpb}}]}}\n{more}"
        );
        let (snapshot, problems) = compiled(&yaml, folder.path()).await;
        let snapshot = snapshot.unwrap_or_else(|| panic!("{problems}"));
        let upstream_of = |name: &str| {
            let own = snapshot.surface.methods.get(name);
            own.map(|own| own.endpoint.upstream().unwrap_or("the gateway").to_owned())
        };
        [
            upstream_of("grpc.health.v1.Health/Watch"),
            upstream_of("grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            upstream_of("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
        ]
    };
    let (own, none, shop) = (Some("the gateway".to_owned()), None::<String>, Some("shop".to_owned()));
    for (more, expected) in [
        ("services: [\"**\"]\n", [&own, &own, &own]),
        ("services: [\"**\"]\ngrpc: {reflection: false}\n", [&own, &none, &none]),
        ("services: [\"**\"]\ngrpc: {health: false}\n", [&none, &own, &own]),
        ("services: [\"**\", grpc.health.v1.Health]\n", [&shop, &own, &own]),
        ("services: [\"**\", grpc.health.v1.Health]\ngrpc: {health: false}\n", [&shop, &own, &own]),
        (
            "services: [\"**\", {service: grpc.reflection.v1.ServerReflection, upstream: shop}]\n",
            [&own, &shop, &own],
        ),
    ] {
        assert_eq!(of(more).await.each_ref(), expected, "{more}");
    }
    let (snapshot, problems) = compiled(
        "upstreams:\n  one: {targets: [\"http://127.0.0.1:1\"], descriptors: [{set: bookstore.binpb}]}\n  \
         two: {targets: [\"http://127.0.0.1:2\"], descriptors: [{set: bookstore.binpb}]}\n\
         services: [{service: \"**\", upstream: one}, grpc.health.v1.Health]\n",
        folder.path(),
    )
    .await;
    assert!(snapshot.is_none());
    let said = problems.to_string();
    assert!(
        said.contains(
            "The service grpc.health.v1.Health is defined by several upstreams, so one must be chosen."
        ),
        "{said}"
    );
}
