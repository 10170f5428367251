//! `transom man`, for those who make packages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{FAILED, output};

/// The arguments of `transom man`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The folder that they are written to, such as /usr/share/man/man1. It is made where it is missing.
    folder: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match write(&arguments.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&format!(
                "The manual pages cannot be written to {}: {error}. Name a folder that you may write to.",
                arguments.folder.display()
            ));
            ExitCode::from(FAILED)
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut root = super::Arguments::command().disable_help_subcommand(true);
    // Gives the commands their full names and usages.
    root.build();
    let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
    for command in std::iter::once(&root).chain(commands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        fs::write(folder.join(format!("{name}.1")), page(name, command)?)?;
    }
    Ok(())
}

/// The page of a command: what clap knows of it, and what holds for all.
fn page(name: &str, command: &Command) -> io::Result<String> {
    let is_root = name == "transom";
    let command = if is_root { command.clone().after_long_help(StyledStr::new()) } else { command.clone() };
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    let page = String::from_utf8(page).map_err(io::Error::other)?;
    let title = concat!("1 \"\" \"transom ", env!("CARGO_PKG_VERSION"), "\" \"Transom\"");
    let mut lines = String::with_capacity(page.len());
    for line in page.lines() {
        match line.strip_prefix(".TH ") {
            // Without a date, so that the same version always makes the same pages.
            Some(_) => lines.push_str(&format!(".TH {} {title}", name.to_uppercase())),
            None if line == ".SH EXTRA" => lines.push_str(".SH NOTES"),
            None => lines.push_str(line.trim_end()),
        }
        lines.push('\n');
    }
    lines.push_str(&common(is_root).to_roff());
    Ok(lines)
}

fn common(is_root: bool) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in [
        ("0", "All is done."),
        ("1", "The configuration is wrong, or a call failed."),
        ("2", "The command line is wrong."),
        ("70", "Transom or the operating system failed."),
    ] {
        roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    roff.control("SH", ["ENVIRONMENT"]);
    roff.control("TP", []).text([bold("TRANSOM_LOG")]);
    roff.text([roman("What is logged, such as debug or transom::upstream=debug.")]);
    if !is_root {
        roff.control("SH", ["SEE ALSO"]).text([bold("transom"), roman("(1)")]);
    }
    roff
}
