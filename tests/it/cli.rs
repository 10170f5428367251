//! The commands of the binary, as somebody at a terminal sees them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, listening, transom};
use crate::support::process::{Server, run};
use crate::support::{backend, root};

/// What a command printed for programs.
fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that fails with this exit code, and returns what it says about it.
fn failure(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "errors go to standard error");
    text
}

fn bookstore_config() -> String {
    root().join("examples/bookstore/transom.yaml").to_str().unwrap().to_owned()
}

#[test]
fn help_names_the_commands() {
    let output = run(&mut transom(&["--help"]));
    let help = String::from_utf8(output.stdout).unwrap();
    for command in [
        "serve",
        "check",
        "routes",
        "call",
        "demo",
        "init",
        "diff",
        "health",
        "wsdl",
        "schema",
        "completions",
    ] {
        assert!(help.contains(command), "{command} is missing:\n{help}");
    }
    for wrong in [&["serve", "--no-such-flag"][..], &["sevre"], &[], &["call"]] {
        let text = failure(&mut transom(wrong), 2);
        assert!(text.contains("Usage: transom"), "{text}");
    }
    run(&mut transom(&["--version"]));
}

#[test]
fn check_accepts_the_example() {
    let output = run(&mut transom(&["check", "-c", &bookstore_config()]));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn check_reports_everything_at_once_with_places() {
    let text = failure(&mut transom(&["check", "-c", "no-such-file.yaml"]), 1);
    assert!(text.contains("no-such-file.yaml"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    let config = "listeners:\n  - address: nowhere\nupstream: {}\ndescriptors:\n  - set: missing.binpb\n\
                  upstreams:\n  shop: 127.0.0.1\nservices: [\"**\"]\n";
    std::fs::write(&file, config).unwrap();
    let text = failure(&mut transom(&["check", "-c", file.to_str().unwrap()]), 1);
    for (place, what) in [(2, "nowhere"), (3, "`upstream`"), (7, "127.0.0.1")] {
        assert!(text.contains(&format!("broken.yaml:{place}:")), "no place in line {place}:\n{text}");
        assert!(text.contains(what), "{what} is not named:\n{text}");
    }
    let fine = config
        .replace("nowhere", "127.0.0.1:0")
        .replace("upstream: {}\n", "")
        .replace("shop: ", "shop: http://");
    std::fs::write(&file, fine.replace("127.0.0.1\n", "127.0.0.1:1\n")).unwrap();
    let text = failure(&mut transom(&["check", "-c", file.to_str().unwrap()]), 1);
    assert!(text.contains("missing.binpb"), "{text}");
}

#[test]
fn routes_are_those_of_the_proto() {
    let routes = json_of(&run(&mut transom(&["routes", "--json", "-c", &bookstore_config()])));
    let routes = routes.as_array().unwrap();
    // 19 methods, one with two bindings, five that the gateway answers itself, and the service in SOAP.
    assert_eq!(routes.len(), 26);
    let own: Vec<_> = routes.iter().filter(|route| route["upstream"].is_null()).collect();
    assert_eq!(own.len(), 5);
    assert_eq!(own[0]["path"], "/grpc.health.v1.Health/Check");
    assert_eq!(own[0]["dialects"], json!(["grpc", "grpc_web", "connect"]));
    let archive =
        routes.iter().find(|route| route["method"] == "bookstore.v1.Bookstore/ArchiveBook").unwrap();
    assert_eq!(archive["verb"], "POST");
    assert_eq!(archive["path"], "/v1/{name=shelves/*/books/*}:archive");
    assert_eq!(archive["upstream"], "bookstore");
}

#[test]
fn call_reaches_a_method() {
    let upstream = format!("http://{}", backend::bookstore());
    let call = |arguments: &[&str]| {
        let mut command = transom(&["call", "-c", &bookstore_config()]);
        command.args(arguments).env("BOOKSTORE_URL", &upstream);
        command
    };
    let request = r#"{"name": "shelves/fiction/books/the-time-machine", "readMask": "title,priceCents"}"#;
    let answer = json_of(&run(&mut call(&["bookstore.v1.Bookstore/GetBook", request])));
    assert_eq!(answer, json!({"title": "The Time Machine", "priceCents": "800"}));
}

/// Each message of an answer is a JSON value of its own, as the next one may take long.
#[test]
fn call_streams_in_each_direction() {
    let upstream = format!("http://{}", backend::bookstore());
    let call = |method: &str, request: &str| {
        let mut command = transom(&["call", "-c", &bookstore_config()]);
        command.args([&format!("bookstore.v1.Bookstore/{method}"), request]).env("BOOKSTORE_URL", &upstream);
        command
    };
    let values_of = |output: &Output| {
        let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        values.collect::<Result<Vec<Value>, _>>().unwrap()
    };
    let books = r#"{"parent": "shelves/crime", "bookId": "a", "book": {"title": "A"}} {"bookId": "b"}"#;
    let [answer] = &values_of(&run(&mut call("ImportBooks", books)))[..] else { panic!("not one answer") };
    assert_eq!((&answer["added"], &answer["refused"]), (&json!(1), &json!(1)), "{answer}");

    let watch = r#"{"name": "shelves/crime", "includePresent": true, "maxEvents": 2}"#;
    let events = values_of(&run(&mut call("WatchShelf", watch)));
    let titles: Vec<_> = events.iter().map(|event| &event["book"]["title"]).collect();
    assert_eq!(titles, ["A", "The Moonstone"]);

    let wishes = r#"[{"filter": {"author": "Mary Shelley"}}, {}, {"filter": {"minRating": 6}}]"#;
    let output = call("RecommendBooks", wishes).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answers = values_of(&output);
    assert_eq!(answers.len(), 2, "what came before the error is printed");
    assert_eq!(answers[0]["book"]["title"], "Frankenstein");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("The call failed with INVALID_ARGUMENT:\n{\n  \"code\": 3,"), "{text}");

    for (method, request, expected) in [
        (
            "ImportBooks",
            "{} {",
            "The request is not a stream of JSON messages: the stream ends within message 2.\n",
        ),
        ("WatchShelf", r#"{"name": "shelves/none"}"#, "The call failed with NOT_FOUND:\n"),
    ] {
        let text = failure(&mut call(method, request), 1);
        assert!(text.starts_with(expected), "{text}");
    }
    // A stream without end is ended by the time that the call may take.
    let mut endless = call("WatchShelf", r#"{"name": "shelves/crime"}"#);
    let text = failure(endless.args(["--timeout", "300ms"]), 1);
    assert!(text.starts_with("The call failed with DEADLINE_EXCEEDED:\n"), "{text}");
}

#[test]
fn call_explains_what_is_wrong() {
    let upstream = format!("http://{}", backend::bookstore());
    let call = |arguments: &[&str], upstream: &str| {
        let mut command = transom(&["call", "-c", &bookstore_config()]);
        command.args(arguments).env("BOOKSTORE_URL", upstream);
        command
    };
    let table: [(&[&str], &str); 4] = [
        (
            &["bookstore.v1.Bookstore/GetShelf", r#"{"name": "shelves/x"}"#],
            "The call failed with NOT_FOUND:\n{\n  \"code\": 5,\n  \"message\": \"There is no Shelf shelves/x.\",\n",
        ),
        (&["bookstore.v1.Bookstore/GetShelf", "{"], "The request is not valid: "),
        (&["bookstore.v1.Bookstore/GetShelf", "--", "-5"], "The request is not valid: "),
        (
            &["bookstore.v1.Bookstore/GetShelv"],
            "The method bookstore.v1.Bookstore/GetShelv is not exposed. `transom routes` lists what is.\n",
        ),
    ];
    for (arguments, expected) in table {
        let text = failure(&mut call(arguments, &upstream), 1);
        assert!(text.contains(expected), "{text}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = failure(&mut call(&["/bookstore.v1.Bookstore/ListShelves"], &format!("http://{nobody}")), 1);
    assert!(text.contains("The call failed with UNAVAILABLE:"), "{text}");
}

#[test]
fn call_reads_standard_input() {
    let mut command = transom(&["call", "bookstore.v1.Bookstore/GetShelf", "-", "-c", &bookstore_config()]);
    command.env("BOOKSTORE_URL", format!("http://{}", backend::bookstore()));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(br#"{"name": "shelves/crime"}"#).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json_of(&output), json!({"name": "shelves/crime", "title": "Crime", "bookCount": 1}));
}

/// Each message is sent when it is typed, and answered before the next one is.
#[test]
fn call_is_a_conversation() {
    let mut command =
        transom(&["call", "bookstore.v1.Bookstore/RecommendBooks", "-", "-c", &bookstore_config()]);
    command.env("BOOKSTORE_URL", format!("http://{}", backend::bookstore()));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    let mut answers =
        serde_json::Deserializer::from_reader(child.stdout.take().unwrap()).into_iter::<Value>();
    for (author, title) in [("Mary Shelley", "Frankenstein"), ("Wilkie Collins", "The Moonstone")] {
        writeln!(typed, r#"{{"filter": {{"author": "{author}"}}}}"#).unwrap();
        let answer = answers.next().unwrap().unwrap();
        assert_eq!(answer["book"]["title"], title, "{answer}");
    }
    write!(typed, "{{\"filter\": 7}}").unwrap();
    drop(typed);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("The request is not valid: "), "{text}");
}

#[test]
fn call_reads_files_and_sends_metadata() {
    let echo = backend::python_server("tests/python/echo_server.py");
    let upstream = format!("http://{}", echo.address());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("request.json");
    std::fs::write(&file, "{}").unwrap();
    let request = format!("@{}", file.display());
    let metadata = ["-H", "x-tenant: acme", "-H", "X-Raw-Bin: AAEC", "--metadata", "x-tenant:other"];
    let mut call = transom(&["call", "echo.v1.Echo/Metadata", &request, "--upstream", &upstream]);
    let answer = json_of(&run(call.args(metadata)));
    let received = answer["received"].as_array().unwrap();
    for expected in [
        json!({"key": "x-tenant", "text": "acme"}),
        json!({"key": "x-tenant", "text": "other"}),
        json!({"key": "x-raw-bin", "binary": "AAEC"}),
    ] {
        assert!(received.contains(&expected), "{expected}: {answer}");
    }

    let table: [(&[&str], i32, &str); 4] = [
        (
            &["-H", "x-tenant"],
            2,
            "there is no colon between a name and a value. Write for example `x-tenant: acme`.",
        ),
        (&["-H", "grpc-timeout: 1S"], 2, "the deadline is not sent by hand. Use --timeout."),
        (
            &["@no-such-file"],
            1,
            "The file no-such-file cannot be read: No such file or directory (os error 2).\n",
        ),
        (
            &["@no-such-file", "--log-format", "json"],
            1,
            "\"message\":\"The file no-such-file cannot be read: ",
        ),
    ];
    for (arguments, code, expected) in table {
        let mut call = transom(&["call", "echo.v1.Echo/Metadata", "--upstream", &upstream]);
        let text = failure(call.args(arguments), code);
        assert!(text.contains(expected), "{text}");
    }
}

/// For programs, what is wrong is a record a line with every command.
#[test]
fn problems_are_records_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, "upstreams: {shop: nowhere}\nservices: [1]\n").unwrap();
    for command in ["check", "routes", "serve"] {
        let arguments = [command, "--log-format", "json", "-c", file.to_str().unwrap()];
        let text = failure(&mut transom(&arguments), 1);
        let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(records.len(), 2, "{text}");
        for (record, line) in records.iter().zip(1..) {
            assert_eq!(record["level"], "ERROR");
            assert!(record["place"].as_str().unwrap().contains(&format!("transom.yaml:{line}:")), "{record}");
        }
    }
}

#[test]
fn routes_are_a_table_for_people() {
    let table = String::from_utf8(run(&mut transom(&["routes", "-c", &bookstore_config()])).stdout).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|row| row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["VERB", "PATH", "METHOD", "STREAMS", "DIALECTS", "UPSTREAM", "POLICIES"]);
    assert_eq!(rows.len(), 27);
    let row = |verb: &str, path: &str, method: &str, streams: &str| {
        let method = format!("bookstore.v1.Bookstore/{method}");
        assert!(
            rows.contains(&vec![
                verb,
                path,
                &method,
                streams,
                if ["client", "both"].contains(&streams) {
                    "rest,xml,grpc,grpc_web,connect,websocket"
                } else {
                    "rest,xml,grpc,grpc_web,connect,websocket,soap"
                },
                "bookstore",
                "-"
            ]),
            "{table}"
        );
    };
    row("PURGE", "/v1/{name=shelves/*}", "PurgeShelf", "-");
    row("POST", "/bookstore.v1.Bookstore/CountBooks", "CountBooks", "-");
    row("GET", "/v1/{name=shelves/*}:watch", "WatchShelf", "server");
    row("POST", "/v1/{parent=shelves/*}/books:import", "ImportBooks", "client");
    row("POST", "/v1/books:recommend", "RecommendBooks", "both");
    let watch = "/grpc.health.v1.Health/Watch";
    let own = vec!["POST", watch, &watch[1..], "server", "grpc,grpc_web,connect", "-", "-"];
    assert!(rows.contains(&own), "{table}");
    let soap =
        ["POST", "/soap/bookstore.v1.Bookstore", "bookstore.v1.Bookstore/*", "-", "soap", "bookstore", "-"];
    assert_eq!(rows.last().unwrap(), &soap);
}

#[test]
fn call_names_the_method_that_was_meant() {
    for name in ["Bookstore/GetShelf", "bookstore.v1.Bookstore.GetShelf", "getshelf"] {
        let output = transom(&["call", name, "{}", "-c", &bookstore_config()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("The method {name} is not exposed. Did you mean bookstore.v1.Bookstore/GetShelf?\n");
        assert_eq!(text, expected);
    }
}

#[test]
fn an_address_and_a_time_without_unit_are_explained() {
    let table: [(&[&str], &str); 2] = [
        (
            &["serve", "--upstream", "http://127.0.0.1:1", "--address", "8090"],
            "`8090` is not an address with a port. Did you mean `0.0.0.0:8090` (all interfaces) or `localhost:8090`",
        ),
        (&["call", "a.B/C", "--timeout", "1"], "`1` has no unit. Write the unit, for example 1s or 1ms."),
    ];
    for (arguments, expected) in table {
        let output = transom(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

/// All that the introduction of the demo tells people to type, and what the README says works on it.
#[test]
fn the_demo_shows_requests_that_work() {
    let arguments = ["demo", "--address", "127.0.0.1:0", "--log-format", "json"];
    let demo = Server::start(transom(&arguments), listening);
    demo.wait_for("Stop with Ctrl-C.");
    let introduction = demo.printed();
    let lines: Vec<&str> = introduction.lines().map(str::trim).collect();
    let typed = lines.windows(2).filter_map(|pair| Some((pair[0], pair[1].strip_prefix("curl ")?)));
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let readme = readme.replace("127.0.0.1:8080", &demo.address().to_string());
    let table =
        readme.lines().filter_map(|row| row.strip_prefix("| ")?.strip_suffix("` |")?.split_once(" | `curl "));
    let commands: Vec<_> = typed.chain(table).collect();
    assert_eq!(commands.len(), 14 + 11, "{introduction}");
    for (title, command) in commands {
        // What is typed goes to those that read it.
        let script =
            format!("echo '{{}}' | curl --silent --show-error --write-out '%{{http_code}}' {command}");
        let output = run(Command::new("sh").args(["-c", &script]).current_dir(root()));
        let output = String::from_utf8(output.stdout).unwrap();
        let (body, status) = output.split_at(output.len() - 3);
        assert_eq!(status, if title.starts_with("An error") { "400" } else { "200" }, "{title} {command}");
        assert!(body.len() > 2, "{title} {command}: {body}");
    }
    let others: Vec<_> =
        readme.lines().filter_map(|row| row.strip_suffix("` |")?.split_once("| `buf ")).collect();
    assert_eq!(others.len(), 4);
    for (title, command) in others {
        let script = format!(".venv/bin/buf {command}");
        let output = run(Command::new("sh").args(["-c", &script]).current_dir(root()));
        if command.contains("--list-services") {
            assert!(output.stdout.starts_with(b"bookstore.v1.Bookstore\n"), "{title}: {output:?}");
            continue;
        }
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["title"], "Frankenstein", "{title}: {answer}");
    }
    let routes =
        lines.iter().find_map(|line| line.strip_prefix("The same from the terminal: transom ")).unwrap();
    run(&mut transom(&routes.split(' ').collect::<Vec<_>>()));
}

#[test]
fn serve_needs_the_variables_that_the_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, "upstreams: {shop: \"http://${TRANSOM_NO_SUCH}\"}\nservices: [\"**\"]\n").unwrap();
    let text = failure(&mut transom(&["serve", "-c", file.to_str().unwrap()]), 1);
    assert!(text.contains("TRANSOM_NO_SUCH") && text.contains("transom.yaml:1:"), "{text}");
    // For programs it is a record.
    let json = ["serve", "--log-format", "json", "-c", file.to_str().unwrap()];
    let record: Value = serde_json::from_str(&failure(&mut transom(&json), 1)).unwrap();
    assert_eq!(record["level"], "ERROR");
    assert!(record["message"].as_str().unwrap().contains("TRANSOM_NO_SUCH"), "{record}");
    assert!(record["place"].as_str().unwrap().contains("transom.yaml:1:"), "{record}");
}

#[test]
fn schema_describes_the_configuration() {
    let schema = json_of(&run(&mut transom(&["schema"])));
    assert!(schema["$schema"].as_str().is_some_and(|url| url.contains("json-schema.org")), "{schema}");
}

#[test]
fn serve_refuses_a_port_that_is_taken() {
    let taken = Gateway::in_front_of(&[backend::bookstore()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let config = format!(
        "listeners:\n  - address: {}\nupstreams:\n  shop: http://{}\nservices: [\"**\"]\n",
        taken.address(),
        backend::bookstore()
    );
    std::fs::write(&file, config).unwrap();
    let text = failure(&mut transom(&["serve", "-c", file.to_str().unwrap()]), 1);
    assert!(text.contains(&format!("Cannot listen on {}", taken.address())), "{text}");
}
