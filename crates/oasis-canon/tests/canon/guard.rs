//! `deploy/ensure-vtid.sh` and the canon have the same rules.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use oasis_canon::{Labels, PATTERNS};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/ensure-vtid.sh")
}

#[test]
fn the_script_has_the_patterns_of_the_canon() {
    let text = std::fs::read_to_string(script()).unwrap();
    assert!(text.contains(PATTERNS), "deploy/ensure-vtid.sh must contain these lines:\n{PATTERNS}");
}

/// Arguments that are valid or nearly valid.
fn arguments() -> impl Strategy<Value = [String; 4]> {
    let vtid = prop_oneof![
        4 => "(dev|STG)-[A-Za-z]{2,8}-[0-9]{4}([.][A-Z])?",
        1 => "[A-Za-z][A-Z0-9]{1,15}(-[A-Za-z0-9]{1,32}){1,5}([.][A-Z0-9]{1,8})?",
        1 => "(dev|STG|Prod)-[A-Za-z]{2,8}-[0-9]{3,7}([.][A-Z])?",
        1 => "[A-Za-z0-9._ -]{0,12}",
        1 => "VTID-[0-9]{4}-[A-Z0-9]{1,40}",
        1 => Just("UNSET".to_owned()),
    ];
    // `-h` prints the usage.
    let name = prop_oneof![2 => "[a-z][-a-z0-9]{0,50}", 1 => "[-A-Za-z0-9_]{0,6}", 4 => "[a-z]{1,9}"]
        .prop_filter("help", |name| name != "-h");
    let layer = prop_oneof!["[A-Za-z][A-Za-z0-9]{0,16}", "[A-Za-z0-9-]{0,4}"];
    let module = prop_oneof![4 => "[A-Za-z][A-Za-z0-9]{0,8}(-[a-z0-9]{1,9}){0,7}", 1 => "[a-z0-9_-]{0,5}"];
    (name, vtid, layer, module, proptest::bool::weighted(0.8)).prop_map(
        |(service, vtid, layer, module, fits)| {
            // Otherwise hardly any layer would be the one of the VTID.
            let own = vtid.split('-').nth(1).map(str::to_owned);
            let layer = if fits { own.unwrap_or(layer) } else { layer };
            [service, vtid, layer, module]
        },
    )
}

#[test]
fn the_script_and_the_canon_agree_on_random_arguments() {
    const CASES: usize = 1_000;
    let mut runner = TestRunner::deterministic();
    let cases: Vec<[String; 4]> =
        (0..CASES).map(|_| arguments().new_tree(&mut runner).unwrap().current()).collect();
    // One shell reads all cases, because a process for each would take long.
    let loop_ = "while IFS=$'\\t' read -r a b c d; do \
                 bash \"$0\" \"${a%.}\" \"${b%.}\" \"${c%.}\" \"${d%.}\" 2>/dev/null || echo no; done";
    let mut shell = Command::new("bash")
        .args(["-c", loop_])
        .arg(script())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = shell.stdin.take().unwrap();
    // A tab between empty fields would be skipped, so a dot marks the end of each field.
    let lines: String = cases.iter().map(|case| case.join(".\t") + ".\n").collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = shell.wait_with_output().unwrap();
    writer.join().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.lines().collect();
    assert_eq!(printed.len(), CASES);
    let mut accepted = 0;
    for (case, printed) in cases.iter().zip(printed) {
        let [service, vtid, layer, module] = case;
        let own = Labels::new(service, vtid, layer, module);
        let expected = own.as_ref().map_or("no".to_owned(), Labels::flag);
        assert_eq!(printed, expected, "{case:?}: {own:?}");
        if let Some(labels) = printed.strip_prefix("--labels=") {
            accepted += 1;
            for (_, value) in labels.split(',').map(|label| label.split_once('=').unwrap()) {
                let is_valid =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
                assert!((1..=63).contains(&value.len()) && value.bytes().all(is_valid), "{value}");
            }
        }
    }
    assert!((150..CASES - 150).contains(&accepted), "{accepted} of {CASES} were accepted");
}
