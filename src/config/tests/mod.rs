use std::env::VarError;
use std::path::Path;

use super::Config;
use super::load::parse;
use super::problem::Problems;

const FULL: &str = include_str!("full.yaml");

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

#[test]
fn explore() {
    let mut out = String::new();
    for case in include_str!("problems.txt").split("#### ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (yaml, _) = rest.split_once("----\n").unwrap();
        out.push_str(&format!("#### {name}\n{yaml}----\n{}", rendered(yaml)));
    }
    std::fs::write("/tmp/wt/problems.out", out).unwrap();
    println!("{}", rendered(FULL));
    let schema = serde_json::to_string_pretty(&Config::json_schema()).unwrap();
    std::fs::write("/tmp/wt/schema.json", schema).unwrap();
}
