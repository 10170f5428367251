use std::env::VarError;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::aggregate::TemplateValue;
use super::descriptors::Descriptors;
use super::failing::{Balance, Common, Hashed, RetryCode, Shares};
use super::fixed::RedirectQuery;
use super::limits::Encodings;
use super::load::parse;
use super::place::{Located, Place};
use super::problem::Problems;
use super::reload::BreakingChanges;
use super::service::{Defaults, Enums, ErrorForm, Expose, HttpMapping, Names, StreamOutput, Unknown};
use super::settings::collection::Named;
use super::telemetry::{AccessLog, Paths};
use super::tls::{ClientAuth, TlsVersion};
use super::value::address::Target;
use super::value::name::Verb;
use super::value::secret::Secret;
use super::version::Version;
use super::{Config, ProxyHeader};

mod files;
mod hostile;
mod http_rules;
mod schema;

const FULL: &str = include_str!("full.yaml");
const SMALLEST: &str = "upstreams: {shop: http://127.0.0.1:50051}\nservices: [\"**\"]\n";

fn environment(name: &str) -> Result<String, VarError> {
    match name {
        "PORT" => Ok("9090".to_owned()),
        "INJECT" => Ok("1MiB\nuri: 1KiB".to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

fn read(yaml: &str) -> Result<(Config, Problems), Problems> {
    parse("transom.yaml", yaml, Path::new("/etc/transom"), &environment)
}

fn rendered(yaml: &str) -> String {
    match read(yaml) {
        Ok((_, problems)) | Err(problems) => problems.to_string(),
    }
}

fn config(yaml: &str) -> Config {
    match read(yaml) {
        Ok((config, problems)) if problems.is_empty() => config,
        Ok((_, problems)) | Err(problems) => panic!("{problems}"),
    }
}

/// A text whose lines are broken by its length.
fn unbroken(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

/// What a dialect says in the query of its own cannot be an API key, in whatever case it is written.
#[test]
fn api_keys_have_a_name_of_their_own_in_the_query() {
    for name in [
        // WebSockets.
        "access_token",
        "trailers",
        // Connect by GET.
        "connect",
        "message",
        "encoding",
        "base64",
        "compression",
        // Documents of SOAP.
        "wsdl",
        "singleWsdl",
        "XSD",
    ] {
        let said = rendered(&format!("{SMALLEST}identity: {{api_keys: {{file: k, query: {name}}}}}\n"));
        let expected =
            format!("names the parameter \"{name}\" of the query, which has another meaning already.");
        assert!(unbroken(&said).contains(&expected), "{said}");
    }
    config(&format!("{SMALLEST}identity: {{api_keys: {{file: k, query: messages}}}}\n"));
}

/// Each case of `problems.txt` is a name, a file and everything that is said about it.
#[test]
fn problems_say_what_is_wrong_where_and_what_to_write() {
    for case in include_str!("problems.txt").split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (yaml, expected) = rest.split_once("----\n").unwrap();
        assert_eq!(rendered(yaml), expected, "{name}");
    }
}

#[test]
fn the_smallest_file_has_the_documented_defaults() {
    let config = config(SMALLEST);
    let addresses: Vec<_> = config.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses, ["0.0.0.0:8080"]);
    assert!(config.descriptors.is_empty() && config.routes.is_empty());
    let shop = config.upstreams.find("shop").unwrap();
    assert_eq!(shop.targets[0].url.value, Target::Tcp { host: "127.0.0.1".to_owned(), port: 50051 });
    assert_eq!((shop.timeout.value, shop.connect_timeout.value), (secs(15), secs(1)));
    assert_eq!(shop.stream_idle_timeout.value, secs(15 * 60));
    let service = &config.services[0];
    assert!(
        service.service.matches("any.Service") && service.upstream.is_none() && service.timeout.is_none()
    );
    assert_eq!(service.http.value, HttpMapping::Auto);
    assert_eq!(service.json.names.value, Names::Camel);
    assert_eq!(service.json.defaults.value, Defaults::Omit);
    assert_eq!(service.json.enums.value, Enums::Name);
    assert_eq!(service.json.unknown_fields.value, Unknown::Reject);
    assert_eq!(service.json.unknown_query.value, Unknown::Reject);
    assert_eq!(service.errors.form.value, ErrorForm::Status);
    assert!(service.errors.expose.is_empty());
    assert_eq!(service.streams.output.value, StreamOutput::ByAccept);
    assert!(service.metadata.request.is_empty() && service.metadata.response.is_empty());
    let (http, codec) = (&config.http, &config.codec);
    assert_eq!((http.body.bytes(), http.headers.bytes(), http.uri.bytes()), (4 << 20, 60 << 10, 8 << 10));
    let counts = (http.header_count.value, http.streams_per_connection.value, http.query_parameters.value);
    assert_eq!(counts, (100, 100, 1000));
    assert_eq!((http.header_timeout.value, http.body_timeout.value), (secs(10), secs(10)));
    assert_eq!((http.request_timeout.value, http.idle_timeout.value), (secs(60), secs(60)));
    assert_eq!((http.stream_window.bytes(), http.resets.value), (64 << 10, 100));
    assert_eq!((http.write_timeout.value, http.connections.is_none()), (secs(10), true));
    assert_eq!(http.compression.value, Encodings::Both);
    assert!(config.admin.is_none() && http.drain_delay.is_zero());
    assert!(config.public_url.is_none());
    assert!(config.documents.enabled.value && config.documents.comments.value);
    assert_eq!((config.trusted_proxies.len(), config.proxy_header.value), (0, ProxyHeader::XForwardedFor));
    assert!(config.grpc.health.enabled.value && config.grpc.reflection.enabled.value);
    assert!(config.grpc.health.policy.is_empty() && config.grpc.reflection.policy.is_empty());
    let reload = &config.reload;
    assert!(config.resolver.servers.is_empty());
    assert_eq!(config.resolver.timeout.value, secs(2));
    assert_eq!((reload.files.value, reload.reflection.value), (secs(2), secs(30)));
    assert_eq!(reload.breaking_changes.value, BreakingChanges::Warn);
    let depths = (codec.json_depth.value, codec.message_depth.value, codec.query_depth.value);
    assert_eq!((depths, codec.message.bytes()), ((64, 100, 32), 4 << 20));
    let sockets = &config.websocket;
    assert_eq!((sockets.message.bytes(), sockets.messages_per_second.is_none()), (1 << 20, true));
    assert_eq!((sockets.ping_interval.value, sockets.idle_timeout.value), (secs(30), secs(15 * 60)));
    assert_eq!((sockets.sockets.value, sockets.sockets_per_address.value), (100_000, 10_000));
    assert!(sockets.duration.is_none());
    let telemetry = &config.telemetry;
    assert_eq!((telemetry.access_log.value, telemetry.paths.value), (AccessLog::Off, Paths::Full));
    assert_eq!(
        (telemetry.otlp.is_none(), telemetry.traces.ratio(), telemetry.log.is_none()),
        (true, 0.01, true)
    );
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn every_key_is_read() {
    let config = config(FULL);
    let addresses: Vec<_> = config.listeners.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(addresses, ["127.0.0.1:9090", "[::1]:8081", "0.0.0.0:8080"]);

    let [Descriptors::Set(set), Descriptors::Protos(protos), Descriptors::Reflection(name), rules] =
        config.descriptors.as_slice()
    else {
        panic!("{:?}", config.descriptors)
    };
    assert_eq!(&***set, Path::new("/etc/transom/shop.binpb"));
    let include: Vec<_> = protos.include.iter().map(|path| path.to_path_buf()).collect();
    assert_eq!(include, [PathBuf::from("/etc/transom/protos"), PathBuf::from("/usr/include")]);
    assert_eq!(protos.files.len(), 2);
    assert_eq!(name.value, "shop");
    assert!(matches!(rules, Descriptors::HttpRules(path) if path.ends_with("rules/shop.yaml")));

    let users = config.upstreams.find("users").unwrap();
    assert_eq!(users.targets[1].url.value, Target::Unix("/run/users.sock".into()));
    assert_eq!(users.descriptors[0].upstream().unwrap().value, "users");
    let timeouts = (users.timeout.value, users.connect_timeout.value);
    assert_eq!(timeouts, (Duration::from_millis(1500), Duration::from_millis(300)));
    let Balance::Common(Common::ConsistentHash(hashed)) = &users.balance else {
        panic!("{:?}", users.balance)
    };
    let Hashed::Header(name) = hashed else { panic!("{hashed:?}") };
    assert_eq!(&***name, "x-user");
    let weights: Vec<_> = users.targets.iter().map(|target| target.weight.value).collect();
    assert_eq!(weights, [1, 1, 3]);
    assert_eq!(users.slow_start.as_ref().unwrap().value, secs(20));
    assert_eq!(users.connection_age.as_ref().unwrap().value, secs(900));
    assert_eq!(users.panic_threshold.millionths(), 300_000);
    let health = users.health.as_ref().unwrap();
    assert_eq!(health.grpc.as_ref().unwrap().value, "users.v1.Users");
    assert_eq!((health.interval.value, health.timeout.value), (secs(2), Duration::from_millis(500)));
    assert_eq!((health.unhealthy.value, health.healthy.value), (3, 2));
    let outliers = users.outliers.as_ref().unwrap();
    assert_eq!((outliers.consecutive_failures.value, outliers.eject_for.value), (3, secs(10)));
    assert_eq!(outliers.max_ejected.millionths(), 340_000);
    assert_eq!(outliers.failure_rate.as_ref().unwrap().millionths(), 400_000);
    assert_eq!(outliers.slower_than.as_ref().unwrap().value, 5);
    assert_eq!((outliers.window.value, outliers.min_calls.value), (secs(20), 100));
    let circuit = users.circuit.as_ref().unwrap();
    let bounds = [&circuit.max_in_flight, &circuit.max_pending].map(|bound| bound.as_ref().unwrap().value);
    assert_eq!(bounds, [100, 10]);
    let adaptive = circuit.adaptive.as_ref().unwrap();
    assert_eq!((adaptive.min.value, adaptive.max.value, adaptive.tolerance.millionths()), (10, 90, 200_000));
    assert_eq!(circuit.failure_rate.as_ref().unwrap().millionths(), 600_000);
    assert_eq!(
        (circuit.window.value, circuit.min_calls.value, circuit.open_for.value),
        (secs(5), 30, secs(2))
    );
    let retries = users.retries.as_ref().unwrap();
    let codes: Vec<_> = retries.on.iter().map(|code| code.value).collect();
    assert_eq!(
        (retries.attempts.value, codes),
        (3, vec![RetryCode::Unavailable, RetryCode::ResourceExhausted])
    );
    let (first, longest) = (Duration::from_millis(10), Duration::from_millis(500));
    assert_eq!((retries.backoff.first, retries.backoff.longest), (first, longest));
    assert_eq!((retries.budget.millionths(), retries.r#unsafe.value), (100_000, true));
    assert_eq!(retries.attempt_timeout.as_ref().unwrap().value, Duration::from_millis(400));
    let orders = config.upstreams.find("orders").unwrap();
    assert_eq!(orders.balance, Balance::Plain(Shares::RoundRobin.into()));
    let retries = orders.retries.as_ref().unwrap();
    assert_eq!(
        (retries.attempts.value, retries.budget.millionths(), retries.r#unsafe.value),
        (2, 200_000, false)
    );
    assert_eq!((retries.on.len(), retries.on[0].value), (1, RetryCode::Unavailable));
    assert!(retries.attempt_timeout.is_none());
    assert_eq!(retries.hedge_after.as_ref().unwrap().value, Duration::from_millis(20));

    let tls = config.listeners[1].tls.as_ref().unwrap();
    assert_eq!((&**tls.certificate, tls.key.written_as()), (Path::new("/etc/transom/a.crt"), "/run/a.key"));
    assert_eq!((tls.certificates.len(), tls.client_auth()), (1, ClientAuth::Optional));
    assert_eq!((tls.min_version.value, tls.handshake_timeout.value), (TlsVersion::Tls13, secs(5)));
    let tls = users.tls.as_ref().unwrap();
    assert_eq!(tls.ca.as_ref().unwrap().written_as(), "ca.crt");
    assert_eq!(tls.server_name.as_ref().unwrap().value, "users.internal");

    let [_, shop, merged] = &*config.services else { panic!("{:?}", config.services) };
    assert_eq!(shop.service.to_string(), "shop.v1.*");
    assert_eq!(shop.upstream.as_ref().unwrap().value, "shop");
    assert_eq!(
        (shop.http.value, shop.timeout.as_ref().unwrap().value),
        (HttpMapping::Annotations, secs(120))
    );
    assert_eq!((shop.json.names.value, shop.json.defaults.value), (Names::Proto, Defaults::Emit));
    assert_eq!((shop.json.enums.value, shop.json.unknown_query.value), (Enums::Number, Unknown::Ignore));
    assert_eq!(shop.streams.output.value, StreamOutput::Sse);
    assert_eq!(shop.errors.form.value, ErrorForm::Problem);
    let exposed: Vec<_> = shop.errors.expose.iter().map(|expose| expose.value).collect();
    assert_eq!(exposed, [Expose::Unknown, Expose::DebugInfo]);
    assert_eq!((&**shop.metadata.request[0], shop.metadata.response.len()), ("x-tenant", 2));
    assert_eq!((merged.json.names.value, merged.json.defaults.value), (Names::Camel, Defaults::Emit));

    let [get, create, .., dashboard] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    assert_eq!((get.path.as_str(), &get.method.value), ("/v1/orders/{id}", &Verb::Is("GET".to_owned())));
    assert_eq!((create.path.as_str(), &create.method.value), ("/v1/${literal}", &Verb::Any));
    assert_eq!(create.call.as_ref().unwrap().to_string(), "shop.v1.Orders/CreateOrder");
    check_dashboard(dashboard);
    check_translations(&config.translations);
    assert_eq!(create.body.as_deref().map(String::as_str), Some("order"));

    check_versions(&config.versions);
    assert_eq!((config.http.uri.bytes(), config.http.query_parameters.value), (4096, 17));
    assert_eq!(config.http.compression.value, Encodings::Answers);
    assert_eq!((config.codec.message.bytes(), config.codec.query_depth.value), (1_000_000, 5));
    assert_eq!(config.http.drain_delay.value, secs(5));
    assert_eq!(config.public_url.as_ref().unwrap().as_str(), "https://api.example/shop");
    assert!(config.documents.enabled.value && !config.documents.comments.value);
    assert_eq!((config.trusted_proxies.len(), config.proxy_header.value), (1, ProxyHeader::Forwarded));
    assert!(config.grpc.health.enabled.value && !config.grpc.reflection.enabled.value);
    let admin = config.admin.as_ref().unwrap();
    let token = admin.token.as_ref().unwrap();
    assert_eq!(admin.address.to_string(), "0.0.0.0:9901");
    assert!(matches!(&token.value, Secret::File(path) if &**path == Path::new("/etc/transom/token")));
    let reload = &config.reload;
    let servers: Vec<_> = config.resolver.servers.iter().map(|server| server.value.0.to_string()).collect();
    assert_eq!(servers, ["10.0.0.2:53", "[fd00::2]:5353"]);
    assert_eq!(config.resolver.timeout.value, secs(1));
    let found = config.upstreams.find("found").unwrap();
    assert!(found.targets.iter().all(|target| target.url.is_found()));
    assert_eq!((reload.files.value, reload.reflection.value), (Duration::from_millis(500), secs(5)));
    assert_eq!(reload.breaking_changes.value, BreakingChanges::Refuse);

    let sockets = &config.websocket;
    let rate = sockets.messages_per_second.as_ref().map(|rate| rate.value);
    assert_eq!((sockets.message.bytes(), rate), (64 << 10, Some(50)));
    assert_eq!((sockets.ping_interval.value, sockets.idle_timeout.value), (secs(10), secs(5 * 60)));
    assert_eq!(sockets.duration.as_ref().map(|duration| duration.value), Some(secs(3600)));
    assert_eq!((sockets.sockets.value, sockets.sockets_per_address.value), (200, 20));
    let telemetry = &config.telemetry;
    assert_eq!((telemetry.access_log.value, telemetry.paths.value), (AccessLog::Json, Paths::Route));
    assert_eq!(telemetry.otlp.as_ref().unwrap().url(), "http://collector:4317");
    assert_eq!(telemetry.traces.ratio(), 0.005);
    assert_eq!(telemetry.log.as_ref().unwrap().value, "info,h2=warn");
}

#[test]
fn there_may_be_a_hundred_versions() {
    for (count, expected) in [(100, 0), (101, 1)] {
        let mut yaml = "upstreams: {a: http://a:1}\nservices: [\"**\"]\nversions:\n".to_owned();
        for number in 0..count {
            yaml.push_str(&format!(
                "  - {{name: v{number}, match: [{{path: /v{number}}}], services: [a.B]}}\n"
            ));
        }
        let parsed = parse("transom.yaml", &yaml, Path::new(""), &|_: &str| Err(VarError::NotPresent));
        let said = parsed.map_or_else(|problems| problems.to_string(), |_| String::new());
        assert_eq!(
            said.matches("There are 101 versions. At most 100 are allowed.").count(),
            expected,
            "{said}"
        );
    }
}

fn check_versions(versions: &[Version]) {
    let [first, second] = versions else { panic!("{versions:?}") };
    let [path, host] = first.r#match.as_slice() else { panic!("{first:?}") };
    assert_eq!((path.path.as_ref().unwrap().as_str(), &path.host), ("/v1", &None));
    let header = host.header.as_ref().unwrap().find("X-Api-Version").unwrap();
    assert_eq!((host.host.as_ref().unwrap().as_str(), header.as_str()), ("*.v1.example", "1"));
    assert!(first.strip.value && !first.default.value && second.default.value);
    let services: Vec<_> = first.services.iter().chain(&*second.services).collect();
    let services: Vec<_> = services
        .iter()
        .map(|assigned| (assigned.service.to_string(), assigned.upstream.as_ref().map(|name| name.as_str())))
        .collect();
    let service = |name: &str, upstream| (name.to_owned(), upstream);
    let expected =
        [service("shop.v1.Users", Some("users")), service("shop.v1.*", None), service("shop.v2.*", None)];
    assert_eq!(services, expected);
    assert_eq!(first.sunset.as_ref().unwrap().to_string(), "2027-01-01T12:00:00Z");
    assert_eq!(first.successor.as_ref().unwrap().as_str(), "/v2");
    let queries: Vec<_> =
        second.r#match.iter().flat_map(|way| way.queries()).map(|name| name.as_str()).collect();
    assert_eq!(queries, ["version"]);
}

fn check_translations(translations: &[super::translation::Translation]) {
    use super::settings::Setting;
    let [orders, users] = translations else { panic!("{translations:?}") };
    assert_eq!((&**orders.service, &**orders.by), ("shop.v0.Orders", "shop.v1.Orders"));
    assert_eq!(orders.upstream.as_ref().unwrap().value, "orders");
    let expected = serde_json::json!({
        "shop.v0.Order": {
            "fields": { "town": "address.city" },
            "masks": { "update_mask": "shop.v0.Order" },
            "request": {
                "drop": ["note"],
                "constants": { "source": "old", "tags": ["a", "1"] },
                "defaults": { "address.zip": "1" },
            },
            "answer": { "drop": ["score"], "constants": {}, "defaults": { "inner": { "a": "true" } } },
        },
    });
    let written = orders.messages.written().unwrap();
    assert_eq!(written["shop.v0.Order"], expected["shop.v0.Order"]);
    assert_eq!(orders.messages[1].1.0.len(), 2);
    let expected = serde_json::json!({
        "shop.v0.State": { "values": { "NEW": "OPEN" }, "request": { "OLD": "OPEN" }, "answer": { "LOST": "NEW" } },
    });
    assert_eq!(orders.enums.written().unwrap(), expected);
    assert!(users.upstream.is_none() && users.messages.is_empty() && users.without.is_empty());
}

fn check_dashboard(route: &super::route::Route) {
    assert!(route.call.is_none());
    assert_eq!(route.name.as_ref().unwrap().to_string(), "shop.v1.Dashboards/GetDashboard");
    let parts = route.aggregate.as_ref().unwrap();
    let user = parts.find("user").unwrap();
    assert!(!user.optional.value && user.when.is_none() && user.select.is_empty() && user.timeout.is_none());
    assert_eq!((user.at_once.value, user.max_items.value), (8, 100));
    let request = |part: &super::aggregate::AggregatePart| {
        super::settings::Setting::written(part.request.as_ref().unwrap()).unwrap()
    };
    let expected = serde_json::json!({ "id": "{user_id}", "view": "FULL", "tags": ["a", "{b}", "{c}"] });
    assert_eq!(request(user), expected);
    let [(_, id), (_, _), (_, tags)] = &*user.request.as_ref().unwrap().0 else { panic!("{user:?}") };
    assert!(
        matches!(&id.value, TemplateValue::Reference(id) if id.root() == "user_id" && id.fields().is_empty())
    );
    // What is written twice, or comes from a variable, is no reference.
    let TemplateValue::List(tags) = &tags.value else { panic!("{tags:?}") };
    assert!(tags.iter().all(|tag| matches!(tag.value, TemplateValue::Text(_))), "{tags:?}");

    let prices = parts.find("prices").unwrap();
    assert_eq!(
        request(prices),
        serde_json::json!({ "sku": "{item.sku}", "near": { "city": "{user.address.city}" }, "note": null })
    );
    assert!(prices.optional.value);
    assert_eq!(prices.timeout.as_ref().unwrap().value, Duration::from_millis(300));
    assert_eq!(prices.when.as_ref().unwrap().to_string(), "{user.premium}");
    assert_eq!(prices.for_each.as_ref().unwrap().fields(), ["items"]);
    assert_eq!((prices.at_once.value, prices.max_items.value), (2, 50));
    let select: Vec<_> = prices.select.iter().map(|path| path.as_str()).collect();
    assert_eq!(select, ["price", "shop.name"]);
}

#[test]
fn what_is_answered_without_a_call() {
    let config = config(FULL);
    let text = |value: &Option<Located<String>>| value.as_ref().map(|value| value.value.clone());
    let pairs = |pairs: &Option<Named<Located<String>>>| {
        let pairs = pairs.iter().flat_map(|pairs| pairs.iter());
        pairs.map(|(name, value)| format!("{}={}", name.value, value.value)).collect::<Vec<_>>()
    };
    let beta = &config.routes[2];
    assert_eq!(text(&beta.host).as_deref(), Some("*.beta.example"));
    assert_eq!((pairs(&beta.headers), pairs(&beta.query)), (vec!["X-Beta=1".into()], vec!["page=*".into()]));
    assert_eq!(pairs(&beta.cookies), ["beta=*"]);
    let old = config.routes[3].redirect.as_ref().unwrap();
    assert_eq!(
        (old.to.as_str(), old.status.value.0, old.query.value),
        ("/v2/users/{id}", 308, RedirectQuery::Drop)
    );
    let docs = config.routes[4].redirect.as_ref().unwrap();
    assert_eq!(
        (docs.to.as_str(), docs.status.value.0, docs.query.value),
        ("https://docs.example", 307, RedirectQuery::Keep)
    );
    let robots = config.routes[5].answer.as_ref().unwrap();
    assert_eq!((robots.status.value, text(&robots.content_type).as_deref()), (203, Some("text/plain")));
    assert_eq!(
        (text(&robots.body).as_deref(), pairs(&robots.headers)),
        (Some("Disallow: /"), vec!["X-Robots-Tag=none".into()])
    );
    assert_eq!(robots.max_age.as_ref().unwrap().value, secs(86_400));
    let icon = config.routes[6].answer.as_ref().unwrap();
    assert_eq!(&***icon.file.as_ref().unwrap(), Path::new("/etc/transom/pages/favicon.ico"));

    let [api, shop] = &*config.rewrites else { panic!("{:?}", config.rewrites) };
    assert_eq!((api.prefix.as_str(), api.to.as_str(), &api.host), ("/api", "/", &None));
    assert_eq!((shop.to.as_str(), text(&shop.host).as_deref()), ("/v1", Some("shop.example")));
    let maintenance = &config.maintenance;
    assert_eq!(&***maintenance.file.as_ref().unwrap(), Path::new("/run/transom/maintenance"));
    assert_eq!((maintenance.retry_after.value, maintenance.except.ips.len()), (secs(600), 1));
    assert_eq!(&***maintenance.page.as_ref().unwrap(), Path::new("/etc/transom/pages/closed.html"));
}

#[test]
fn every_leaf_keeps_its_place() {
    let (config, problems) = read(FULL).unwrap();
    let text = |place: Option<Place>| problems.sources.text(place.unwrap()).unwrap();
    assert_eq!(text(config.listeners[0].address.place), "127.0.0.1:${PORT}");
    assert_eq!(text(config.listeners[1].address.place), "\"[::1]:8081\"");
    assert_eq!(config.listeners[2].address.place, None);
    assert_eq!(text(config.upstreams[0].0.place), "shop");
    assert_eq!(text(config.upstreams[0].1.targets[0].url.place), "http://127.0.0.1:50051");
    assert_eq!(text(config.services[0].service.place), "\"**\"");
    assert_eq!(text(config.routes[0].path.place), "\"/v1/orders/{id}\"");
    assert_eq!(text(config.http.body.place), "8MiB");
    let position = problems.sources.position(config.routes[1].call.as_ref().unwrap().place.unwrap());
    assert_eq!(position, Some(("transom.yaml", 83, 11)));
}

/// What YAML takes for a number, a truth value or nothing else than a text stays what was written.
#[test]
fn scalars_are_not_rewritten() {
    for written in ["1.10", "0755", "0x1F", "1e3", "true", "True", "yes", "on", ".inf", "2024-01-01", "1_000"]
    {
        let yaml = format!(
            "upstreams: {{u: http://h}}\nservices: [a.B]\nroutes: [{{path: {written} , method: '*', call: a.B/C}}]"
        );
        assert_eq!(config(&yaml).routes[0].path.value, written);
        let quoted = yaml.replace(&format!("path: {written} "), &format!("path: &x \"{written}\""));
        assert_eq!(config(&quoted).routes[0].path.value, written);
    }
}

#[test]
fn upstreams_from_the_command_line() {
    let config = Config::for_upstreams(&["http://a:1", "unix:/b"]).unwrap();
    let names: Vec<_> = config.upstreams.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["upstream", "upstream2"]);
    assert_eq!(config.services[0].service.to_string(), "**");
    let mut expected =
        self::config("upstreams: {upstream: 'http://a:1', upstream2: 'unix:/b'}\nservices: ['**']");
    assert_eq!(config, expected);
    expected.http.body = super::value::size::ByteSize::kib(1).into();
    assert_ne!(config, expected);

    let config = Config::for_upstreams(&["https://a"]).unwrap();
    assert_eq!(config.upstreams[0].1.targets[0].url.value, Target::Tls { host: "a".to_owned(), port: 443 });

    let problems = Config::for_upstreams(&["shop:1", "http://ok", "xds://b"]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "  x `shop:1` has no scheme.\n   ,-[--upstream:1:1]\n 1 | shop:1\n   : ^^^^^^\n   `----\n  \
         help: Did you mean `http://shop:1`?\n\n  \
         x `xds://` is not a scheme that Transom knows.\n   ,-[--upstream:1:1]\n \
         1 | xds://b\n   : ^^^^^^^\n   `----\n  \
         help: Write http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:50051, or unix:/PATH.\n\n"
    );
    let problems = Config::for_upstreams::<&str>(&[]).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "  x No upstream was named.\n  \
         help: Write --upstream http://127.0.0.1:50051, or name a file with -c.\n\n"
    );
}
