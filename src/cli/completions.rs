//! `millstream completions` and `millstream man`: what a shell and a manual want to know, made from the command line's own description.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// Prints the shell's script.
pub(crate) fn completions(arguments: &CompletionsArguments, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "millstream", &mut script);
    print(&script)
}

/// Prints the manual page, with a section for each command.
pub(crate) fn manual(mut command: Command) -> Result<(), Failure> {
    command.build();
    let mut page = Vec::new();
    let failed = |error: std::io::Error| Failure::other(error.to_string());
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for (path, command) in leaves("", &command) {
        page.extend_from_slice(format!(".SH {}\n", path.to_uppercase()).as_bytes());
        let man = clap_mangen::Man::new(command);
        man.render_synopsis_section(&mut page).and_then(|()| man.render_description_section(&mut page)).map_err(failed)?;
        man.render_options_section(&mut page).map_err(failed)?;
    }
    print(&page)
}

/// The commands that do something, with their whole names.
fn leaves(prefix: &str, command: &Command) -> Vec<(String, Command)> {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below
        .flat_map(|below| {
            let path = format!("{prefix} {}", below.get_name()).trim_start().to_owned();
            if below.has_subcommands() { leaves(&path, below) } else { vec![(path, below.clone())] }
        })
        .collect()
}

fn print(text: &[u8]) -> Result<(), Failure> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::other(format!("cannot write the output: {error}"))),
        _ => Ok(()),
    }
}
