//! [`Mutation`]: changes valid tokens at random.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Makes changed tokens, from a sequence of pseudo-random numbers (SplitMix64).
pub(super) struct Mutation(u64);

/// Parts that an attacker could write.
const PARTS: [&str; 6] = [
    r#"{"alg":"none"}"#,
    r#"{"alg":"HS256","kid":"key-1"}"#,
    r#"{"alg":"ES256"}"#,
    r#"{"sub":"root","exp":4000000000,"oasis.admin":true}"#,
    "{}",
    "",
];

impl Mutation {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of the tokens, with a change. Rarely, the change has no effect.
    pub(super) fn of(&mut self, tokens: &[&str]) -> String {
        let [token, other] = [self.pick(tokens), self.pick(tokens)];
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let place = self.below(parts.len());
        match self.below(7) {
            0 => return self.with_another_bit(token),
            1 => return token[..self.below(token.len())].to_owned(),
            2 => return format!("{token}{}", char::from(b'A' + (self.below(26) as u8))),
            3 => parts.swap(place, self.below(3)),
            4 => parts[place] = other.split('.').nth(self.below(3)).unwrap_or_default().to_owned(),
            5 => parts[place] = URL_SAFE_NO_PAD.encode(self.pick(&PARTS)),
            // Changes a bit of the decoded part, so the encoding stays canonical.
            _ => {
                let mut bytes = URL_SAFE_NO_PAD.decode(&parts[place]).unwrap_or_default();
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
                parts[place] = URL_SAFE_NO_PAD.encode(bytes);
            }
        }
        parts.join(".")
    }

    /// Flips one of the lower seven bits of a byte, so the text is still ASCII.
    fn with_another_bit(&mut self, token: &str) -> String {
        let mut bytes = token.as_bytes().to_vec();
        let at = self.below(bytes.len());
        bytes[at] ^= 1 << self.below(7);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}
