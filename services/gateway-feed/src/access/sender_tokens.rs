//! [`SenderTokens`]: the tokens of services, and what each token may send.

use std::fmt;
use std::str::FromStr;

use oasis_core::Source;
use oasis_core::ping::NO_NAME;
use oasis_service::{BadList, Secret, Tokens, auth};
use ring::digest::{SHA256, digest};

/// The maximum length of the name of a sender. The base64 text of a token of at least 16 bytes is longer than
/// this even without its padding. So the padding `==` cannot be mistaken for the `=` after a name.
const MOST_NAME_BYTES: usize = 20;

/// A private stream to which a token may write. Its word stands among the sources of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrivateStream {
    /// Open rooms, and write to every room.
    Rooms,
    /// Write resource events.
    Resources,
    /// Open and change casts.
    Casts,
}

impl PrivateStream {
    const ALL: [Self; 3] = [Self::Rooms, Self::Resources, Self::Casts];

    /// The word in the list of sources.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::Resources => "resources",
            Self::Casts => "casts",
        }
    }
}

/// The tokens of INGEST_TOKENS: a comma-separated list of `TOKEN`, `name=TOKEN`, `TOKEN:SOURCES` or
/// `name=TOKEN:SOURCES`. SOURCES are joined with `+`, as in `github.actions+agent.ping`. The words `rooms`,
/// `resources` and `casts` among the sources allow a token to write to these private streams.
#[derive(Clone)]
pub struct SenderTokens {
    tokens: Tokens,
    /// The name and the scope of each token.
    grants: Vec<Grant>,
}

/// A token's name, and what the token may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) name: Option<String>,
    pub(crate) scope: Scope,
}

/// What a token may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Events of every source and of every private stream. All tokens with this scope share one set of dedup
    /// keys.
    All,
    /// Only events of these sources. No other sender has the dedup keys of `owner`. So an event of another
    /// sender never counts as a duplicate of an event that was sent with this token.
    Only {
        /// The name of the sender. All tokens with the same name belong to one sender, so a token can be
        /// rotated. If a token has no name, `owner` is a part of the token's hash.
        owner: String,
        sources: Vec<Source>,
        /// The private streams to which the token may write.
        streams: Vec<PrivateStream>,
    },
}

/// Why INGEST_TOKENS cannot be used. The message shows no part of a token.
#[derive(Debug, thiserror::Error)]
pub enum BadTokens {
    /// An item of the list is malformed.
    #[error("token {number} {why}")]
    Item {
        /// The place of the item in the list. The first item has the number 1.
        number: usize,
        /// What is wrong with the item.
        why: &'static str,
    },
    /// See [`BadList`].
    #[error(transparent)]
    List(#[from] BadList),
}

impl SenderTokens {
    /// Adds a token that may only write to private streams. If the list already has the token, its scope
    /// stays as it is.
    pub fn add_for_private_streams(&mut self, name: &str, token: &Secret) {
        if self.grant(token.expose()).is_none() {
            self.tokens.push(token.expose());
            let streams = PrivateStream::ALL.to_vec();
            let scope = Scope::Only { owner: name.to_owned(), sources: Vec::new(), streams };
            self.grants.push(Grant { name: Some(name.to_owned()), scope });
        }
    }

    /// Whether a token may send events.
    pub(crate) fn send_events(&self) -> bool {
        self.grants.iter().any(|grant| match &grant.scope {
            Scope::All => true,
            Scope::Only { sources, .. } => !sources.is_empty(),
        })
    }

    /// Whether the list has no tokens.
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The place in the list, the name and the scope of the token `presented`. `None` if this token may not
    /// send.
    pub(crate) fn grant(&self, presented: &str) -> Option<(usize, &Grant)> {
        let place = self.tokens.find(presented)?;
        Some((place, self.grants.get(place)?))
    }
}

impl FromStr for SenderTokens {
    type Err = BadTokens;

    fn from_str(list: &str) -> Result<Self, BadTokens> {
        let mut parsed: Vec<(&str, Grant)> = Vec::new();
        for (place, item) in auth::token_items(list)?.enumerate() {
            let bad = |why| BadTokens::Item { number: place + 1, why };
            let (token, grant) = token(item).map_err(bad)?;
            auth::check_end(token).map_err(bad)?;
            if parsed.iter().any(|(other, of_other)| *other == token && *of_other != grant) {
                return Err(bad("is in the list twice, with different names or sources"));
            }
            parsed.push((token, grant));
        }
        let tokens = Tokens::new(parsed.iter().map(|(token, _)| *token)).map_err(BadList::from)?;
        Ok(Self { tokens, grants: parsed.into_iter().map(|(_, grant)| grant).collect() })
    }
}

impl fmt::Debug for SenderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Parses one item of the list into the token, its name and its scope.
fn token(item: &str) -> Result<(&str, Grant), &'static str> {
    let (front, sources) = match item.rsplit_once(':') {
        Some((front, sources)) => (front.trim(), Some(sources)),
        None => (item, None),
    };
    let (name, token) = match front.split_once('=') {
        Some((name, rest)) if !rest.bytes().all(|b| b == b'=') => (Some(name.trim()), rest.trim()),
        // If the variable in `ci=$TOKEN` is empty, the item is `ci=`. Anyone could guess `ci=` as a token.
        Some((name, _)) if name.len() <= MOST_NAME_BYTES => {
            return Err("has a name, but no token after the `=`");
        }
        // An `=` at the end is the padding of a token in base64.
        Some(_) | None => (None, front),
    };
    if name == Some(NO_NAME) {
        return Err(
            "has the name `-`, which stands for all limited tokens without a name: choose another name",
        );
    }
    if name.is_some_and(|name| !is_name(name)) {
        return Err("has a bad name before the `=`: expected 1 to 20 letters, digits and . _ -");
    }
    let owned = name.map(str::to_owned);
    let Some(sources) = sources else { return Ok((token, Grant { name: owned, scope: Scope::All })) };
    if token.is_empty() {
        return Err("has sources, but no token before the `:`");
    }
    let words: Vec<&str> = sources.split('+').map(str::trim).collect();
    let of_stream = |word: &str| PrivateStream::ALL.into_iter().find(|stream| stream.word() == word);
    let streams = words.iter().filter_map(|word| of_stream(word)).collect();
    let others = words.iter().filter(|word| of_stream(word).is_none());
    let sources: Result<Vec<Source>, _> = others.map(|word| word.parse()).collect();
    let sources = sources.map_err(|_| {
        "has an unknown source after the `:`: expected oasis.events, github.actions, gcp.deploy, agent.ping, \
         rooms, resources or casts, joined with `+`"
    })?;
    let owner = owned.clone().unwrap_or_else(|| short_hash(token));
    Ok((token, Grant { name: owned, scope: Scope::Only { owner, sources, streams } }))
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=MOST_NAME_BYTES).contains(&name.len()) && name.bytes().all(fits)
}

/// A part of the hash of a text. It is the owner of a token without a name.
pub(super) fn short_hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> SenderTokens {
        list.parse().unwrap_or_else(|error| panic!("{list}: {error}"))
    }

    fn scope<'a>(tokens: &'a SenderTokens, token: &str) -> Option<&'a Scope> {
        tokens.grant(token).map(|(_, grant)| &grant.scope)
    }

    fn only(owner: &str, sources: &[Source]) -> Scope {
        Scope::Only { owner: owner.into(), sources: sources.into(), streams: Vec::new() }
    }

    #[test]
    fn the_name_and_the_sources_of_a_token_are_optional() {
        let tokens = parse(
            " plain , named=second ,, ci = third : github.actions , agents=fourth:agent.ping + oasis.events",
        );
        assert!(!tokens.is_empty() && parse("").is_empty());
        for (place, all, name) in [(0, "plain", None), (1, "second", Some("named"))] {
            let grant = Grant { name: name.map(str::to_owned), scope: Scope::All };
            assert_eq!(tokens.grant(all), Some((place, &grant)), "{all}");
        }
        assert_eq!(scope(&tokens, "third"), Some(&only("ci", &[Source::GithubActions])));
        assert_eq!(
            scope(&tokens, "fourth"),
            Some(&only("agents", &[Source::AgentPing, Source::OasisEvents]))
        );
        for wrong in ["", "named=second", "named", "third:github.actions", "github.actions"] {
            assert_eq!(scope(&tokens, wrong), None, "{wrong}");
        }
        assert_eq!(format!("{tokens:?}"), "[redacted]");
    }

    #[test]
    fn a_token_may_be_limited_to_private_streams() {
        use PrivateStream::{Resources, Rooms};
        let tokens = parse("logs=a:rooms,b:agent.ping+rooms,c:agent.ping,d:resources+rooms");
        let scope = |token: &str| match scope(&tokens, token) {
            Some(Scope::Only { sources, streams, .. }) => (sources.len(), streams.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!([scope("a"), scope("b")], [(0, vec![Rooms]), (1, vec![Rooms])]);
        assert_eq!([scope("c"), scope("d")], [(1, vec![]), (0, vec![Resources, Rooms])]);
    }

    #[test]
    fn a_token_for_private_streams_is_added_to_the_tokens_of_the_list() {
        let streams = PrivateStream::ALL.to_vec();
        let all = Scope::Only { owner: "up".into(), sources: Vec::new(), streams };
        let added = |list: &str| {
            let mut tokens = parse(list);
            tokens.add_for_private_streams("up", &Secret::from("new,=:+".to_owned()));
            tokens
        };
        assert_eq!(scope(&added(""), "new,=:+"), Some(&all));
        let tokens = added("a,ci=b:agent.ping");
        assert_eq!(scope(&tokens, "a"), Some(&Scope::All));
        assert_eq!(scope(&tokens, "b"), Some(&only("ci", &[Source::AgentPing])));
        assert_eq!(scope(&tokens, "new,=:+"), Some(&all));
        let mut tokens = parse("a");
        tokens.add_for_private_streams("up", &Secret::from("a".to_owned()));
        assert_eq!(scope(&tokens, "a"), Some(&Scope::All));
    }

    #[test]
    fn a_token_in_base64_keeps_its_padding() {
        for (list, token) in [
            ("MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("MDEyMzQ1Njc4OWFiY2RlZg==:agent.ping", "MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("MDEyMzQ1Njc4OWFiY2RlZmc=", "MDEyMzQ1Njc4OWFiY2RlZmc="),
            ("ci=MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZg=="),
            ("ci=MDEyMzQ1Njc4OWFiY2RlZg==:agent.ping", "MDEyMzQ1Njc4OWFiY2RlZg=="),
        ] {
            assert!(scope(&parse(list), token).is_some(), "{list}");
        }
    }

    #[test]
    fn the_keys_of_a_token_belong_to_its_name_or_else_to_the_token() {
        let owner = |list: &str, token: &str| match scope(&parse(list), token) {
            Some(Scope::Only { owner, .. }) => owner.clone(),
            other => panic!("{list}: {other:?}"),
        };
        // The name stays the same when the token is rotated.
        assert_eq!(owner("ci=a:agent.ping,ci=b:agent.ping", "a"), "ci");
        assert_eq!(owner("ci=a:agent.ping,ci=b:agent.ping", "b"), "ci");
        let [a, b] = ["a", "b"].map(|token| owner("a:agent.ping,b:agent.ping", token));
        assert!(a != b && a.len() == 16 && a == owner("a:gcp.deploy", "a"));
    }

    #[test]
    fn a_malformed_list_is_refused_and_no_token_is_shown() {
        for list in [
            "ok,hunter2:github",
            "ok,hunter2:",
            "ok,hunter2:github.actions+",
            "ok,:github.actions",
            "ok,name=:github.actions",
            "ok,name=",
            "ok,name==",
            "ok,github-actions-runner=",
            "ok,github-actions-runner==:rooms",
            "ok,ci= =",
            "ok,ci= =:rooms",
            "ok,ci=hunter==:agent.ping",
            "ok,a b=hunter2",
            "ok,=hunter2",
            "ok,-=hunter2",
            "ok, - = hunter2:agent.ping",
            "ok,n=hunter2:agent.ping,hunter2",
            "ok,n=hunter2,hunter2",
        ] {
            let error = list.parse::<SenderTokens>().unwrap_err().to_string();
            assert!(error.starts_with("token 2 ") || error.starts_with("token 3 "), "{list}: {error}");
            assert!(!error.contains("hunter"), "{error}");
        }
        assert!("a,a".parse::<SenderTokens>().is_ok(), "the same token twice is harmless");
    }
}
