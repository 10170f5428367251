//! The structure of the JSON Schema. It was held against `full.yaml` with an independent validator.

use serde_json::{Value, json};

use crate::config::Config;

fn definition<'s>(schema: &'s Value, path: &str) -> &'s Value {
    schema.pointer(&format!("/$defs/{path}")).unwrap_or_else(|| panic!("{path}: {schema:#}"))
}

#[test]
fn the_schema_describes_every_key() {
    let schema = Config::json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$ref"], "#/$defs/Config");
    let config = definition(&schema, "Config");
    assert_eq!(config["additionalProperties"], false);
    assert_eq!(config["required"], json!(["upstreams", "services"]));
    let keys: Vec<_> = config["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "listeners",
            "admin",
            "public_url",
            "documents",
            "descriptors",
            "upstreams",
            "resolver",
            "services",
            "routes",
            "rewrites",
            "maintenance",
            "versions",
            "translations",
            "identity",
            "policies",
            "plans",
            "rate_limits",
            "trusted_proxies",
            "proxy_header",
            "grpc",
            "http",
            "websocket",
            "codec",
            "reload",
            "telemetry"
        ]
    );

    let count = definition(&schema, "Http/properties/header_count");
    assert_eq!(count["description"], "The number of headers of a request. From 10 to 1000.");
    assert_eq!(count["default"], 100);
    assert_eq!(count["anyOf"][0], json!({ "type": "integer", "minimum": 10, "maximum": 1000 }));
    assert_eq!(count["anyOf"][1], json!({ "$ref": "#/$defs/Variable" }));

    let names = definition(&schema, "Json/properties/names/anyOf/0/oneOf");
    assert_eq!(names[1], json!({ "const": "proto", "description": "As in the proto file, `page_size`." }));

    assert_eq!(definition(&schema, "Upstream/anyOf/0"), &json!({ "$ref": "#/$defs/Backend" }));
    let short = definition(&schema, "Backend/anyOf/0");
    assert!(short["anyOf"][0]["pattern"].is_string(), "an upstream may be a URL alone: {short}");
    let set = definition(&schema, "Descriptors/oneOf/0");
    assert_eq!((&set["required"], &set["additionalProperties"]), (&json!(["set"]), &json!(false)));
}

/// Nothing refers to what is not there, and nothing is left without a word about it.
#[test]
fn the_schema_is_closed() {
    fn walk(value: &Value, root: &Value, path: &str) {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref") {
                    let pointer = reference.as_str().unwrap().trim_start_matches('#');
                    assert!(root.pointer(pointer).is_some_and(Value::is_object), "{path}: {reference}");
                }
                if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                    for (key, property) in properties {
                        let described =
                            property["description"].as_str().is_some_and(|text| text.ends_with('.'));
                        assert!(described, "{path}/{key}: {property}");
                    }
                }
                object.iter().for_each(|(key, value)| walk(value, root, &format!("{path}/{key}")));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, root, path)),
            _ => {}
        }
    }
    let schema = Config::json_schema();
    walk(&schema, &schema, "");
}
