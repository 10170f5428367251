//! SOAP, by clients that others wrote and generated from the served WSDL alone; what is served and answered is held against
//! its own XML Schema.

use std::process::Command;

use serde_json::json;

use crate::support::client::{self, Version};
use crate::support::gateway::{Gateway, listening, transom};
use crate::support::process::{Server, python, run};
use crate::support::{backend, root};

struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    /// A gateway in front of the echo server, with more at the end of its configuration.
    fn with(settings: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let config = format!(
            "{}upstreams: {{echo: \"http://{}\"}}\nservices: [\"**\"]\n{settings}",
            Gateway::ANY_PORT,
            backend.address()
        );
        Self { gateway: Gateway::with_config(&config), backend }
    }

    fn url(&self) -> String {
        self.gateway.url("").trim_end_matches('/').to_owned()
    }
}

#[test]
fn zeep_and_suds_call_and_catch_and_every_answer_is_valid() {
    let setting = Setting::with("");
    run(python("tests/python/soap_clients.py").arg(setting.url()));
}

#[test]
fn the_client_of_npm_calls_and_catches() {
    let setting = Setting::with("");
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("soap.mjs");
    std::fs::copy(root().join("tests/browser/soap.mjs"), &script).unwrap();
    let packages = root().join(".node/node_modules");
    assert!(packages.exists(), "{} is missing. `./test setup` makes it.", packages.display());
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
    run(Command::new("node").arg(script).arg(setting.url()));
}

/// What follows the descriptors and the configuration, and what the command line prints.
#[tokio::test]
async fn a_wsdl_names_the_public_address_and_is_printed_too() {
    let setting = Setting::with("public_url: https://api.example/shop\n");
    let target = "/soap/echo.v1.Echo?wsdl";
    let served = client::send(setting.gateway.address(), Version::Http2, "GET", target, &[], "").await;
    let served = String::from_utf8(served.body.to_vec()).unwrap();
    assert!(served.contains("location=\"https://api.example/shop/soap/echo.v1.Echo\""), "{served}");

    let upstream = format!("http://{}", setting.backend.address());
    let printed = run(transom(&["wsdl", "echo.v1.Echo", "--upstream"]).arg(&upstream));
    let printed = String::from_utf8(printed.stdout).unwrap();
    let elsewhere = printed.replace("http://localhost:8080/", "https://api.example/shop/");
    assert_eq!(elsewhere, served);

    let printed = run(transom(&["wsdl", "echo.v1.Echo", "--xsd", "google.rpc", "--upstream"]).arg(&upstream));
    assert!(String::from_utf8(printed.stdout).unwrap().contains("targetNamespace=\"urn:google.rpc\""));
    for (arguments, expected) in [
        (&["wsdl", "echo"][..], "The service echo is not exposed. Did you mean echo.v1.Echo?"),
        (&["wsdl", "nothing"], "The service nothing is not exposed. `transom routes` lists what is."),
        (
            &["wsdl", "echo.v1.Raw", "--xsd", "shop"],
            "The service echo.v1.Raw uses no package shop. It uses echo.v1, google.protobuf, google.rpc.",
        ),
    ] {
        let output = transom(arguments).args(["--upstream", &upstream]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(expected) && output.status.code() == Some(1), "{said}");
    }
}

/// Sizes and depths are bounded, and whatever comes, the next caller is served.
#[tokio::test]
async fn hostile_envelopes_are_refused() {
    let setting = Setting::with("");
    let start = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\">";
    let call = |inside: &str| {
        format!("{start}<e:Body><Echo xmlns=\"urn:echo.v1.Echo\">{inside}</Echo></e:Body></e:Envelope>")
    };
    let header = |inside: &str| format!("{start}<e:Header>{inside}</e:Header><e:Body/></e:Envelope>");
    let attributes: String = (0..10_000).map(|number| format!(" a{number}=\"\"")).collect();
    let namespaces: String = (0..10_000).map(|number| format!(" xmlns:n{number}=\"urn:{number}\"")).collect();
    let entities = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>";
    for (text, expected) in [
        (
            call(&format!("<child xmlns=\"\">{}", "<child>".repeat(100_000))),
            "elements are nested more than 68 deep",
        ),
        (call(&"<strings/>".repeat(100_001)), "there are more than 100000 elements"),
        (call(&format!("<string{attributes}/>")), "&lt;string&gt; has more than 64 attributes"),
        (call(&format!("<string{namespaces}/>")), "&lt;string&gt; has more than 64 attributes"),
        (header(&"<a>".repeat(1000)), "elements are nested more than 32 deep"),
        (
            header(&format!("<a>{}</a>", "x".repeat(100_000))),
            "No method was found in the first 65536 bytes of the envelope.",
        ),
        (
            format!("{entities}{}", call("<string>&b;</string>")),
            "a document type declaration (DTD) is not allowed, at line 1, column 1",
        ),
        (call("<string>&b;</string>"), "the entity &amp;b; is not known"),
        (call(&format!("<string>{}</string>", "x".repeat(5 << 20))), "at most 4194304 bytes"),
    ] {
        let headers = [("content-type", "text/xml")];
        let target = "/soap/echo.v1.Echo";
        let answer =
            client::send(setting.gateway.address(), Version::Http1, "POST", target, &headers, text.clone())
                .await;
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(
            said.contains("<faultcode>soap:Client</faultcode>") && said.contains(expected),
            "{expected}: {said}"
        );
    }
    let expected = json!({"string": "still here"});
    let answer = client::post(setting.gateway.address(), "/v1/echo", &expected).await;
    assert_eq!(answer.json(), expected);
}

/// A name of the query is no key of what is kept: memory stays what it is.
#[tokio::test]
async fn documents_that_do_not_exist_cost_nothing() {
    let setting = Setting::with("");
    let long = "x".repeat(7000);
    for target in [
        format!("/soap/echo.v1.Echo?xsd={long}"),
        format!("/soap/echo.v1.Echo?{long}=&wsd"),
        format!("/xsd/{long}"),
    ] {
        let answer = client::get(setting.gateway.address(), &target).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
}

/// The example, as its README says. What it prints stands there.
#[test]
fn the_example_does_what_its_readme_says() {
    let demo =
        Server::start(transom(&["demo", "--address", "127.0.0.1:0", "--log-format", "json"]), listening);
    let folder = root().join("examples/soap");
    let url = format!("http://{}", demo.address());
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let shown = |output: std::process::Output| {
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(readme.contains(&format!("\n{text}```")), "{text}");
    };
    shown(run(python("examples/soap/client.py").arg(&url)));
    let mut curl = Command::new("curl");
    curl.args(["-sS", &format!("{url}/soap/bookstore.v1.Bookstore"), "-H", "content-type: text/xml"]);
    shown(run(curl.args(["--data-binary", "@legacy.xml"]).current_dir(&folder)));
    let pinned = std::fs::read_to_string(folder.join("requirements.txt")).unwrap();
    let all = std::fs::read_to_string(root().join("tests/python/requirements.txt")).unwrap();
    assert!(pinned.lines().all(|line| all.lines().any(|other| other == line)), "{pinned}");
}

/// What protos can say and services rarely do: the documents are valid all the same, and comments are in them.
#[test]
fn unusual_protos_have_valid_documents() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "descriptors: [{{protos: {{include: [{:?}], files: [soap_unusual.proto]}}}}]\nupstreams: {{a: \"http://127.0.0.1:1\"}}\n\
         services: [\"**\"]\n",
        root().join("tests/python")
    );
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, config).unwrap();
    let wsdl = |arguments: &[&str]| {
        let mut command = transom(&["wsdl", "-c", file.to_str().unwrap()]);
        run(command.args(arguments)).stdout
    };
    std::fs::write(folder.path().join("nothing.xml"), "<nothing/>").unwrap();
    // By the names under which they refer to each other.
    let packages = ["", "google.protobuf", "google.rpc", "S"];
    for package in packages {
        std::fs::write(folder.path().join(format!("S?xsd={package}")), wsdl(&["S", "--xsd", package]))
            .unwrap();
    }
    for package in packages {
        let mut xmllint = Command::new("xmllint");
        xmllint
            .args(["--noout", "--schema", &format!("S?xsd={package}"), "nothing.xml"])
            .current_dir(&folder);
        let said = String::from_utf8(xmllint.output().unwrap().stderr).unwrap();
        // That is said once the schema is known to be valid.
        assert!(said.contains("No matching global declaration"), "{package}: {said}");
    }
    let text = String::from_utf8(wsdl(&["S"])).unwrap();
    for comment in
        ["A message &amp; more &lt;of it&gt;.", "The x.", "An enum.", "Zero.", "The service.", "Does."]
    {
        assert!(text.contains(&format!(">{comment}</")), "{comment}\n{text}");
    }
    for (service, operations) in [("S", 6), ("Nothing", 0)] {
        std::fs::write(folder.path().join("s.wsdl"), wsdl(&[service])).unwrap();
        let count = format!(
            "import zeep; client = zeep.Client('s.wsdl'); found = list(client.wsdl.bindings.values())[0].all(); \
             assert len(found) == {operations}, found"
        );
        let python = root().join(".venv/bin/python");
        run(Command::new(python).args(["-c", &count]).current_dir(&folder));
    }
}
