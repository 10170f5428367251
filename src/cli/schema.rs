//! `transom schema`

use std::process::ExitCode;

use super::output;
use crate::config::Config;

pub(super) fn run() -> ExitCode {
    output::line(&format!("{:#}", Config::json_schema()));
    ExitCode::SUCCESS
}
