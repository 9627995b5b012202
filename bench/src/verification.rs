//! Measures how long the gateway needs to verify a token, compared with ring alone. Also changes valid
//! tokens at random, and counts how many changed tokens are accepted.
//!
//! ring alone verifies only the signature, which is already decoded, with a key that is already prepared.
//! The gateway also decodes the token, parses its header and its claims, and checks the rules. A token that
//! it has verified before, it only looks up.

mod mutation;

use std::collections::BTreeSet;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, Rejection, Rules};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

use crate::report::{Bar, Report, Row, Samples};
use mutation::Mutation;

/// Tokens that other libraries made, two for each algorithm.
const TOKENS: &str = include_str!("../../crates/oasis-identity/tests/data/minted.json");
/// When the tokens were issued.
const NOW: i64 = 1_750_000_000;
/// When the tokens have expired.
const LATER: i64 = 4_000_000_000;
/// The length of the DER head in front of a PKCS #1 key of 2048 bits.
const RSA_HEAD: usize = 24;
const MAX_RATIO: f64 = 1.5;

struct Plan {
    rounds: usize,
    /// About how many nanoseconds a turn takes.
    turn: u64,
    mutations: usize,
}

#[derive(Deserialize)]
struct Sample {
    name: String,
    token: String,
    pem: Option<String>,
    secret: Option<String>,
}

/// A key of ring alone, with a message and its signature.
struct Alone {
    key: RingKey,
    message: Vec<u8>,
    signature: Vec<u8>,
}

enum RingKey {
    Secret(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
}

impl Alone {
    fn new(sample: &Sample) -> anyhow::Result<Self> {
        let (message, signature) = sample.token.rsplit_once('.').context("a token has three parts")?;
        let key = match (&sample.secret, &sample.pem) {
            (Some(secret), _) => {
                RingKey::Secret(hmac::Key::new(hmac::HMAC_SHA256, &URL_SAFE_NO_PAD.decode(secret)?))
            }
            (None, Some(pem)) => {
                let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
                let der = STANDARD.decode(der)?;
                let (algorithm, start): (&'static dyn VerificationAlgorithm, usize) = match sample.algorithm()
                {
                    "RS256" => (&RSA_PKCS1_2048_8192_SHA256, RSA_HEAD),
                    "ES256" => (&ECDSA_P256_SHA256_FIXED, der.len() - 65),
                    _ => (&ED25519, der.len() - 32),
                };
                RingKey::Public(UnparsedPublicKey::new(algorithm, der[start..].to_vec()))
            }
            (None, None) => anyhow::bail!("{} has no key", sample.name),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        Ok(Self { key, message: message.as_bytes().to_vec(), signature })
    }

    fn verifies(&self) -> bool {
        let message = black_box(&self.message);
        match &self.key {
            RingKey::Secret(key) => hmac::verify(key, message, &self.signature).is_ok(),
            RingKey::Public(key) => key.verify(message, &self.signature).is_ok(),
        }
    }
}

impl Sample {
    fn algorithm(&self) -> &str {
        self.name.rsplit(' ').next().unwrap_or_default()
    }

    /// The key of this token, as a setting of the gateway. A key in a file gets its name from the file.
    fn source(&self, folder: &Path) -> anyhow::Result<KeySource> {
        if let Some(secret) = &self.secret {
            return Ok(KeySource::Secrets(String::from_utf8(URL_SAFE_NO_PAD.decode(secret)?)?.parse()?));
        }
        let folder = folder.join(self.algorithm());
        fs::create_dir_all(&folder)?;
        let file = folder.join("key-1.pem");
        fs::write(&file, self.pem.as_ref().context("a sample has a key")?)?;
        Ok(KeySource::Files(vec![file]))
    }
}

pub(crate) fn run(quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { rounds: 3, turn: 2_000_000, mutations: 10_000 }
    } else {
        Plan { rounds: 25, turn: 40_000_000, mutations: 1_000_000 }
    };
    let mut report = Report::new("verification");
    let samples: Vec<Sample> = serde_json::from_str(TOKENS)?;
    let now = Ts::from_unix_seconds(NOW)?;
    let folder = tempfile::tempdir()?;
    let mut sources = Vec::new();
    for sample in samples.iter().step_by(2) {
        sources.push(sample.source(folder.path())?);
        compare(sample, folder.path(), now, &plan, &mut report)?;
    }
    let keys = Keys::new(&sources, Rules::default())?;
    mutate(&keys, &samples, now, &plan, &mut report)?;
    report.note(format!("{} alternating rounds of about {} ms", plan.rounds, plan.turn / 1_000_000));
    report.note(
        "ring alone verifies a decoded signature with a prepared key; the gateway also decodes and parses \
         the token and checks its claims; it remembers the tokens that it has verified, and only looks them \
         up the next time",
    );
    Ok(report)
}

fn compare(sample: &Sample, folder: &Path, now: Ts, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (algorithm, token) = (sample.algorithm(), sample.token.as_str());
    let alone = Alone::new(sample)?;
    let sources = [sample.source(folder)?];
    let (keys, fresh) = (Keys::new(&sources, Rules::default())?, Keys::new(&sources, Rules::default())?);
    let later = Ts::from_unix_seconds(LATER)?;
    ensure!(alone.verifies(), "ring alone refuses the token {}", sample.name);
    keys.verify(token, now).with_context(|| format!("the gateway refuses the token {}", sample.name))?;
    let by_ring = || alone.verifies();
    // A token that has expired is refused only after everything else has been verified, and it is never
    // remembered. So this takes as long as the first verification of a token.
    let first = || matches!(fresh.verify(black_box(token), later), Err(Rejection::Expired));
    let again = || keys.verify(black_box(token), now).is_ok();
    let times = (plan.turn as f64 / (time(100, &by_ring)? * 1_000.0)).ceil() as u32;
    let (mut theirs, mut firsts, mut agains) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        theirs.push(time(times, &by_ring)?);
        firsts.push(time(times, &first)?);
        agains.push(time(times, &again)?);
    }
    report.progress(format_args!("{algorithm}: {:.2} µs, then {:.2} µs", firsts[0], agains[0]));
    report.row(Row::of(format!("{algorithm}: ring alone"), "µs", &Samples::new(theirs.clone())));
    for (which, ours) in [("for the first time", firsts), ("again", agains)] {
        let what = format!("{algorithm}: a token of {} bytes, {which}", token.len());
        report.row(Row::of(what, "µs", &Samples::new(ours.clone())));
        let ratio = Row::ratio(&format!("{algorithm}, {which}: ratio, gateway / ring alone"), &ours, &theirs);
        report.row(ratio.bar(Bar::AtMost(MAX_RATIO)));
    }
    Ok(())
}

/// The time of one call, in microseconds.
fn time(times: u32, verified: &impl Fn() -> bool) -> anyhow::Result<f64> {
    let began = Instant::now();
    let accepted = (0..times).filter(|_| black_box(verified())).count();
    let took = began.elapsed();
    ensure!(accepted == times as usize, "a valid token was refused");
    Ok(took.as_secs_f64() * 1e6 / f64::from(times))
}

fn mutate(keys: &Keys, samples: &[Sample], now: Ts, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let tokens: Vec<&str> = samples.iter().map(|sample| sample.token.as_str()).collect();
    let valid: BTreeSet<&str> = tokens.iter().copied().collect();
    let mut mutation = Mutation::new(21);
    let (mut changed, mut accepted) = (0, 0);
    while changed < plan.mutations {
        let token = mutation.of(&tokens);
        if !valid.contains(token.as_str()) {
            changed += 1;
            accepted += usize::from(keys.verify(&token, now).is_ok());
        }
    }
    let what = format!("accepted tokens of {changed} tokens that were changed at random");
    report.row(Row::single(what, "", accepted as f64).bar(Bar::AtMost(0.0)));
    Ok(())
}
