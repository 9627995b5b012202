//! Changes valid tokens at random, and checks that no changed token is accepted and that nothing panics.

use super::samples::{NOW, Sample, at, encoded, with};

/// The number of changed tokens. With this number, the test takes a few seconds in a debug build.
const TRIES: u64 = 100_000;

/// A sequence of pseudo-random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A random character, most often one of base64url.
fn character(random: &mut Random) -> char {
    let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    match random.below(20) {
        0 => char::from_u32((random.next() % 0x300) as u32).unwrap_or('.'),
        1 => '.',
        _ => char::from(all.as_bytes()[random.below(all.len())]),
    }
}

const HEADERS: [&str; 12] = [
    r#"{"alg":"none"}"#,
    r#"{"alg":"HS256"}"#,
    r#"{"alg":"RS256"}"#,
    r#"{"alg":"ES256"}"#,
    r#"{"alg":"EdDSA"}"#,
    r#"{"alg":"HS512","typ":"JWT"}"#,
    r#"{"alg":"HS256","kid":"key-1","crit":[]}"#,
    r#"{"alg":"HS256","alg":"none"}"#,
    r#"{"typ":"JWT","kid":"key-1","alg":"RS256"}"#,
    r#"{"alg":"ES256","jwk":{}}"#,
    "{}",
    "",
];
const CLAIMS: [&str; 4] = [
    r#"{"sub":"root","exp":1750003600,"oasis.admin":true}"#,
    r#"{"sub":"alice","exp":4000000000}"#,
    r#"{"sub":"alice"}"#,
    "[]",
];

/// Changes a token in one of several ways. One way copies a part of `other`, which is a valid token too.
fn mutated(token: &str, other: &str, random: &mut Random) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let others: Vec<&str> = other.split('.').collect();
    match random.below(8) {
        // Flips one of the lower seven bits of a byte, so the token is still ASCII.
        0 => {
            let mut bytes = token.as_bytes().to_vec();
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(7);
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        // Flips a bit of the decoded signature, and encodes it again. So the encoding is canonical.
        1 => parts[2] = flipped(&parts[2], random),
        2 => {
            let mut text: Vec<char> = token.chars().collect();
            let place = random.below(text.len());
            text[place] = character(random);
            return text.into_iter().collect();
        }
        3 => return token[..random.below(token.len())].to_owned(),
        4 => return format!("{token}{}", character(random)),
        5 => parts.swap(random.below(3), random.below(3)),
        6 => {
            let place = random.below(3);
            parts[place] = others[random.below(3)].to_owned();
        }
        _ => {
            let place = random.below(2);
            parts[place] = encoded(random.pick(if place == 0 { &HEADERS } else { &CLAIMS }));
        }
    }
    parts.join(".")
}

fn flipped(part: &str, random: &mut Random) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let mut bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
    let place = random.below(bytes.len());
    bytes[place] ^= 1 << random.below(8);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn no_changed_token_is_accepted() {
    let samples = Sample::minted();
    let tokens: Vec<&str> = samples.iter().map(|sample| sample.token.as_str()).collect();
    let keys = with(samples.iter().step_by(2).map(Sample::key).collect());
    for token in &tokens {
        assert!(keys.verify(token, at(NOW)).is_ok());
    }
    let mut random = Random(21);
    let mut refused = 0;
    for _ in 0..TRIES {
        let (token, other) = (random.pick(&tokens), random.pick(&tokens));
        let changed = mutated(token, other, &mut random);
        if tokens.contains(&changed.as_str()) {
            continue;
        }
        assert!(keys.verify(&changed, at(NOW)).is_err(), "{changed}");
        refused += 1;
    }
    assert!(refused > TRIES / 10 * 9, "only {refused} of {TRIES} tokens differ");
}
