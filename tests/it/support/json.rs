//! Comparison of JSON with what is expected of it.

use serde_json::Value;

/// In what is expected: any value.
pub(crate) const ANY: &str = "<any>";

/// Says where `found` differs from `expected`. Members of objects may come in any order, numbers are
/// compared by value, and [`ANY`] stands for anything.
pub(crate) fn compare(expected: &Value, found: &Value) -> Result<(), String> {
    differs(expected, found, "$")
}

fn differs(expected: &Value, found: &Value, place: &str) -> Result<(), String> {
    let fail = || Err(format!("at {place}: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::String(text), _) if text == ANY => Ok(()),
        (Value::Object(expected), Value::Object(members)) => {
            for name in expected.keys().chain(members.keys()) {
                let place = format!("{place}.{name}");
                match (expected.get(name), members.get(name)) {
                    (Some(expected), Some(found)) => differs(expected, found, &place)?,
                    (Some(expected), None) => {
                        return Err(format!("at {place}: expected {expected}, found nothing"));
                    }
                    (_, found) => return Err(format!("at {place}: expected nothing, found {found:?}")),
                }
            }
            Ok(())
        }
        (Value::Array(expected), Value::Array(elements)) if expected.len() == elements.len() => {
            (expected.iter()).zip(elements).enumerate().try_for_each(|(index, (expected, found))| {
                differs(expected, found, &format!("{place}[{index}]"))
            })
        }
        (Value::Number(one), Value::Number(other)) if one.as_f64() == other.as_f64() => Ok(()),
        _ if expected == found => Ok(()),
        _ => fail(),
    }
}

#[test]
fn comparison_finds_the_place() {
    use serde_json::json;

    let table = [
        (json!({"a": 1, "b": ["x"]}), json!({"b": ["x"], "a": 1.0}), ""),
        (json!({"a": ANY}), json!({"a": {"deep": []}}), ""),
        (json!({"a": [1, 2]}), json!({"a": [1, 3]}), "at $.a[1]: expected 2, found 3"),
        (json!({"a": ANY}), json!({}), "at $.a: expected \"<any>\", found nothing"),
        (json!({}), json!({"b": null}), "at $.b: expected nothing, found Some(Null)"),
        (json!([1]), json!([]), "at $: expected [1], found []"),
        (json!("1"), json!(1), "at $: expected \"1\", found 1"),
    ];
    for (expected, found, message) in table {
        assert_eq!(compare(&expected, &found).err().unwrap_or_default(), message);
    }
}
