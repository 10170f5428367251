//! `transom completions`

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output;

/// The arguments of `transom completions`.
#[derive(clap::Args, Debug)]
#[command(after_long_help = AFTER)]
pub(super) struct Arguments {
    /// The shell that it is for.
    #[arg(value_enum)]
    shell: Shell,
}

const AFTER: &str = "\
bash: transom completions bash > ~/.local/share/bash-completion/completions/transom

zsh: transom completions zsh > a file _transom in a folder of $fpath, before compinit runs

fish: transom completions fish > ~/.config/fish/completions/transom.fish";

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "transom", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}
