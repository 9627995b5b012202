//! Runs each fuzz target on its corpus, and then on inputs that are made from the corpus. All targets
//! together take 10 s; the variable `FUZZ_SECONDS` sets another time. A failure prints the smallest input
//! that was found, and a seed: with `FUZZ_SEED=n`, the inputs begin as before.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use oasis_fuzz::{TARGETS, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// The number of inputs of one seed.
const CASES: u32 = 200;
/// Larger inputs are cut. The readers of larger inputs have tests of their own.
const MOST: usize = 256 << 10;
/// Texts that many readers treat in a special way.
const TOKENS: [&str; 32] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e400",
    "0.10",
    "9223372036854775808",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\u{feff}",
    "\u{10ffff}",
    "é",
    "\r\n",
    "\n\n",
    "%00",
    "%",
    "&",
    "=",
    "@",
    ":",
    ",",
    "\"",
    "\\",
    "https://h/",
    "DEV-CICDL-0031",
    "2026-01-02T03:04:05Z",
    "9999-12-31T23:59:59Z",
    "ann@example.com",
    "$serde_json::private::Number",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index, usize),
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    /// Inserts a part of the input itself or of another input of the corpus.
    Copy {
        to: Index,
        of: Option<Index>,
        from: Index,
        length: usize,
    },
    /// Repeats a part of the input.
    Repeat(Index, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let length = || prop_oneof![8 => 1..16_usize, 1 => 16..2_000_usize];
    let bytes = prop_oneof![
        3 => select(&TOKENS[..]).prop_map(|token| token.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..6),
    ];
    prop_oneof![
        (at(), length()).prop_map(|(at, length)| Change::Remove(at, length)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), proptest::option::of(at()), at(), length()).prop_map(|(to, of, from, length)| Change::Copy {
            to,
            of,
            from,
            length
        }),
        (at(), 1..8_usize, prop_oneof![2..9_usize, 1_000..5_000_usize])
            .prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
    ]
}

/// The part of `bytes` that begins at `from`.
fn part<'a>(bytes: &'a [u8], from: &Index, length: usize) -> &'a [u8] {
    let from = from.index(bytes.len() + 1);
    &bytes[from..bytes.len().min(from + length)]
}

fn apply(change: &Change, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let place = |at: &Index, input: &[u8]| at.index(input.len() + 1);
    match change {
        Change::Remove(at, length) => {
            let from = place(at, input);
            input.drain(from..input.len().min(from + length));
        }
        Change::Set(at, byte) if !input.is_empty() => {
            let at = at.index(input.len());
            input[at] = *byte;
        }
        Change::Set(..) => {}
        Change::Insert(at, bytes) => {
            let at = place(at, input);
            input.splice(at..at, bytes.iter().copied());
        }
        Change::Copy { to, of, from, length } => {
            let source = of.as_ref().map_or(&*input, |of| of.get(corpus));
            let copy = part(source, from, *length).to_vec();
            let to = place(to, input);
            input.splice(to..to, copy);
        }
        Change::Repeat(at, length, times) => {
            let repeated = part(input, at, *length).repeat(*times);
            let at = place(at, input);
            input.splice(at..at, repeated);
        }
    }
    input.truncate(MOST);
}

thread_local! {
    /// Whether panics of this thread are not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a target. Returns the message if it panics.
fn run(target: &Target, input: &[u8]) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                print(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    QUIET.set(false);
    outcome.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

/// Removes parts of an input for as long as the target fails.
fn smallest(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut size = input.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < input.len() {
            let mut shorter = input.clone();
            shorter.drain(from..input.len().min(from + size));
            if run(target, &shorter).is_err() {
                input = shorter;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    input
}

fn fail(target: &Target, place: &str, input: Vec<u8>) -> ! {
    let input = smallest(target, input);
    let why = run(target, &input).expect_err("the target fails only sometimes");
    let file = env::temp_dir().join(format!("oasis-fuzz-{}", target.name));
    fs::write(&file, &input).unwrap();
    panic!(
        "{} fails ({place})\n  input: {}\n  file:  {}\n{why}",
        target.name,
        input.escape_ascii(),
        file.display()
    )
}

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = target.corpus.iter().map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut files: Vec<PathBuf> = folders.flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: expected a whole number")))
}

fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let files = corpus(target);
    for (path, input) in &files {
        if run(target, input).is_err() {
            fail(target, &path.display().to_string(), input.clone());
        }
    }
    let corpus: Vec<Vec<u8>> = files.into_iter().map(|(_, input)| input).collect();
    let seconds = number("FUZZ_SECONDS").unwrap_or(10);
    let end = Instant::now() + Duration::from_secs(seconds) / u32::try_from(TARGETS.len()).unwrap();
    let clock = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let first = number("FUZZ_SEED").unwrap_or(clock);
    let mut inputs = 0_u64;
    for seed in first.. {
        if Instant::now() >= end {
            break;
        }
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let made = (any::<Index>(), vec(change(), 0..6)).prop_map(|(of, changes)| {
            let mut input = of.get(&corpus).clone();
            changes.iter().for_each(|change| apply(change, &mut input, &corpus));
            input
        });
        let outcome = TestRunner::new_with_rng(config, rng)
            .run(&made, |input| run(target, &input).map_err(TestCaseError::fail));
        match outcome {
            Ok(()) => inputs += u64::from(CASES),
            Err(TestError::Fail(_, input)) => fail(target, &format!("FUZZ_SEED={seed}"), input),
            Err(TestError::Abort(why)) => panic!("{why}"),
        }
    }
    println!("{name}: {inputs} inputs, from seed {first}");
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })+

        const TESTED: &[&str] = &[$(stringify!($name)),+];
    };
}

targets! { audit database_url delivery ingest query stream }

#[test]
fn every_target_has_a_test_and_a_program_for_libfuzzer() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    let programs = fs::read_dir(programs).unwrap().map(|entry| entry.unwrap().path());
    let programs: BTreeSet<String> =
        programs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(programs, names.iter().map(|name| (*name).to_owned()).collect());
}
