//! Tests the help, the completions, the manual pages and the colours.

use std::fs;
use std::process::Command;

use crate::fake::{Answer, serve};
use crate::process::oasis;

/// The names of the commands in `oasis --help`.
fn commands() -> Vec<String> {
    let help = oasis(&["--help"]).finish().stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    // A description that is longer than a line continues on the next line, which has a larger indent.
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn help_has_at_most_80_columns_in_a_pipe() {
    let commands = commands();
    assert!(commands.len() >= 11, "{commands:?}");
    for command in &commands {
        let help = oasis(&[command.as_str(), "--help"]).finish().stdout;
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
    }
}

#[test]
fn the_help_documents_the_exit_codes() {
    let help = oasis(&["--help"]).finish().stdout;
    for part in ["Exit codes:", "  0    success", "  1    failure", "  2    wrong usage"] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
fn completions_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = oasis(&["completions", shell]).finish();
        assert_eq!((done.code, done.stderr.as_str()), (0, ""));
        for command in commands() {
            assert!(done.stdout.contains(&command), "{shell} lacks {command}");
        }
    }
    // A real bash accepts the script, and completes a command.
    let script = oasis(&["completions", "bash"]).finish().stdout;
    let complete = "COMP_WORDS=(oasis doc); COMP_CWORD=1; _oasis oasis doc oasis; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash").args(["-c", &format!("{script}\n{complete}")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "doctor", "{output:?}");
    assert_eq!(oasis(&["completions", "tcsh"]).finish().code, 2);
}

#[test]
fn there_is_a_manual_page_for_each_program_and_command_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man/man1");
    let done =
        oasis(&["man", "--out", out.to_str().unwrap()]).env("GITHUB_WEBHOOK_SECRET", "hunter2").finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let programs = ["oasis", "gateway-feed", "webhook-ingest", "deploy-watcher", "heartbeat-agent"];
    let pages = programs
        .map(str::to_owned)
        .into_iter()
        .chain(commands().into_iter().map(|name| format!("oasis-{name}")));
    for name in pages {
        let page = fs::read_to_string(out.join(format!("{name}.1"))).expect(&name);
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {page}");
        assert!(!page.contains("hunter2"), "{name}");
    }
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let done = oasis(&["man", "--out", file.to_str().unwrap()]).finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("cannot write the pages"), "{}", done.stderr);
}

#[test]
fn the_flag_color_overrides_the_terminal_and_no_color() {
    let one = r#"[{"agent":"planner","state":"lost","vtid":"IDLE"}]"#;
    let gateway = serve(move |_, _| Answer::json("200 OK", one));
    let coloured = |flags: &[&str]| {
        let own = ["agents", "--url", &gateway.url];
        oasis(&[&own[..], flags].concat()).env("NO_COLOR", "1").finish().stdout.contains("\x1b[31mlost")
    };
    assert!(!coloured(&[]));
    assert!(coloured(&["--color", "always"]));
    assert!(!coloured(&["--color=never"]));
    assert_eq!(oasis(&["--color", "sometimes", "agents"]).finish().code, 2);
}
