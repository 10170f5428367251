//! `transom completions`

use std::process::ExitCode;

use clap::{Command, CommandFactory};
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
    clap_complete::generate(arguments.shell, &mut visible(), "transom", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

/// The command line without the commands that its help does not show either, which clap would complete.
fn visible() -> Command {
    let all = super::Arguments::command();
    let commands = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    Command::new("transom").version(env!("CARGO_PKG_VERSION")).propagate_version(true).subcommands(commands)
}
