//! `oasis completions` and `oasis man`: the completions for shells and the manual pages. Both are made from
//! the definitions of the flags, so they are always complete.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::output::line;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(oasis completions bash)
  oasis completions fish > oasis.fish

To keep the completions, write them to a file that the shell loads:
  bash    ~/.local/share/bash-completion/completions/oasis
  zsh     a file _oasis in a directory of $fpath
  fish    ~/.config/fish/completions/oasis.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  oasis man --out man/man1
  MANPATH=$PWD/man man oasis-tail

There is a page for oasis, for each of its commands, and for each of the other
programs.";

/// Flags of `oasis completions`.
#[derive(clap::Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Flags of `oasis man`.
#[derive(clap::Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Folder for the pages; the folder is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions of `oasis` for a shell.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(args: &CompletionsArgs, mut oasis: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut oasis, "oasis", &mut script);
    line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual pages of `oasis` and of the other programs.
///
/// # Errors
/// A page cannot be written.
pub(crate) fn man(args: &ManArgs, oasis: Command) -> anyhow::Result<ExitCode> {
    let programs = [
        oasis,
        gateway_feed::Config::command(),
        webhook_ingest::Config::command(),
        deploy_watcher::Config::command(),
        heartbeat_agent::cli::Cli::command(),
    ];
    write_pages(&args.out, programs)
        .with_context(|| format!("cannot write the pages to {}", args.out.display()))?;
    line(format_args!("the pages are in {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(folder: &Path, programs: impl IntoIterator<Item = Command>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    programs.into_iter().try_for_each(|program| {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        write_page(folder, &program)
    })
}

/// Writes the page of a command and the pages of its subcommands.
fn write_page(folder: &Path, command: &Command) -> io::Result<()> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut below = command.get_subcommands().filter(|below| !below.is_hide_set()).peekable();
    if below.peek().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(notes) = command.get_after_help() {
        page.write_all(notes_section(&notes.to_string()).as_bytes())?;
    }
    // The subcommands of heartbeat-agent have no version.
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    fs::write(folder.join(man.get_filename()), page)?;
    below.try_for_each(|below| write_page(folder, below))
}

/// The end of the help as a section of a page. Indented lines, such as examples, keep their line breaks, and
/// begin at the left edge, so that they fit into a terminal and can be pasted.
fn notes_section(text: &str) -> String {
    let mut section = ".SH \"EXAMPLES AND NOTES\"\n".to_owned();
    let mut literal = false;
    for line in text.lines() {
        let is_literal = line.starts_with("  ");
        if is_literal != literal {
            section.push_str(if is_literal { ".nf\n.in 0\n" } else { ".in\n.fi\n" });
        }
        literal = is_literal;
        section.push_str(&escaped(line));
        section.push('\n');
    }
    section.push_str(if literal { ".in\n.fi\n" } else { "" });
    section
}

/// Escapes a line for roff, which would otherwise print some characters as typographic characters.
fn escaped(line: &str) -> String {
    let start = if line.starts_with(['.', '\'']) { r"\&" } else { "" };
    let escape = |c: char| match c {
        '\\' => r"\(rs".to_owned(),
        '-' => r"\-".to_owned(),
        '\'' => r"\(aq".to_owned(),
        '`' => r"\(ga".to_owned(),
        '^' => r"\(ha".to_owned(),
        '~' => r"\(ti".to_owned(),
        other => other.to_string(),
    };
    line.chars().map(escape).fold(start.to_owned(), |text, piece| text + &piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_in_a_page_keep_their_lines_and_characters() {
        let text = "Examples:\n  a -n '~' \\\n    `b`\n\n.end";
        assert_eq!(
            notes_section(text),
            ".SH \"EXAMPLES AND NOTES\"\nExamples:\n.nf\n.in 0\n  a \\-n \\(aq\\(ti\\(aq \\(rs\n\
             \x20   \\(gab\\(ga\n.in\n.fi\n\n\\&.end\n"
        );
    }
}
