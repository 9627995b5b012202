//! Decides who may send events: no one, only clients that present a token, or everyone. Also decides what a
//! sender may send.

use std::net::IpAddr;

use hyper::HeaderMap;
use oasis_core::ping::{NO_NAME, Pinger};
use oasis_core::{DedupKey, INSTANCE, Invalid, Meta, NewEvent, Source, VIA};
use oasis_service::{ApiError, Presented, bearer, network};
use serde_json::{Map, Value};

use super::addresses::client_address;
use super::sender_tokens::{Grant, PrivateStream, Scope, SenderTokens, short_hash};

/// Anyone may send without a token, and has no name.
const ANYONE: &Grant = &Grant { name: None, scope: Scope::All };

/// Checks whether a request may send events.
#[derive(Debug)]
pub(crate) struct Senders {
    tokens: SenderTokens,
    anonymous: bool,
    /// See [`client_address`].
    trusted_proxy_hops: u8,
}

/// The sender of an admitted request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    grant: &'a Grant,
    lane: Lane<'static>,
}

/// Whose request it is. Where requests wait, the lanes take turns: see [`oasis_store::Appender::of`] and
/// [`crate::turns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane<'a> {
    /// The place of the token in INGEST_TOKENS.
    Token(usize),
    /// The network of a client without a token.
    Network(IpAddr),
    /// The id of a user.
    User(&'a str),
}

impl Lane<'_> {
    /// The lane of a client without a token.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Network(network(address))
    }
}

impl Senders {
    /// If `anonymous`, everyone may send. Otherwise, only clients that present one of the tokens may send.
    pub(crate) fn new(tokens: SenderTokens, anonymous: bool, trusted_proxy_hops: u8) -> Self {
        Self { tokens, anonymous, trusted_proxy_hops }
    }

    /// Whether any client may send events.
    pub(crate) fn exist(&self) -> bool {
        self.anonymous || !self.tokens.is_empty()
    }

    /// Admits a request if everyone may send, or if the header `Authorization` has an accepted token. If
    /// everyone may send, a token has no effect.
    ///
    /// # Errors
    /// 403 if no one may send; 401 if the token is missing or not accepted.
    pub(crate) fn admit(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Sender<'_>, ApiError> {
        if self.anonymous {
            return Ok(Sender::anyone(client_address(peer, headers, self.trusted_proxy_hops)));
        }
        if self.tokens.is_empty() {
            return Err(ApiError::forbidden("ingest_disabled", "this gateway accepts no events")
                .hint("set INGEST_TOKENS to the accepted tokens, or set INGEST_ANONYMOUS=true"));
        }
        let Presented::Token(token) = bearer(headers) else {
            return Err(ApiError::unauthorized("token_missing", "sending events needs a token")
                .hint("send the header Authorization: Bearer … with one of INGEST_TOKENS"));
        };
        let found = self.tokens.grant(token);
        found
            .map(Sender::new)
            .ok_or_else(|| ApiError::unauthorized("bad_token", "this token may not send events"))
    }
}

impl<'a> Sender<'a> {
    /// A sender without a token, at an address.
    pub(crate) fn anyone(address: IpAddr) -> Self {
        Self { grant: ANYONE, lane: Lane::of_address(address) }
    }

    pub(super) fn new((place, grant): (usize, &'a Grant)) -> Self {
        Self { grant, lane: Lane::Token(place) }
    }

    pub(crate) fn lane(self) -> Lane<'static> {
        self.lane
    }

    /// The sender, as a part of dedup keys. All senders that may send events of every source are one sender.
    pub(crate) fn owner(self) -> &'a str {
        match &self.grant.scope {
            Scope::All => "",
            Scope::Only { owner, .. } => owner,
        }
    }

    /// Whether the sender may write to a private stream.
    pub(crate) fn writes(self, stream: PrivateStream) -> bool {
        match &self.grant.scope {
            Scope::All => true,
            Scope::Only { streams, .. } => streams.contains(&stream),
        }
    }

    /// What a sender writes to a private stream, after the word `write`.
    pub(super) fn what(stream: PrivateStream) -> &'static str {
        match stream {
            PrivateStream::Rooms => "to rooms",
            PrivateStream::Resources => "resource events",
            PrivateStream::Casts => "casts",
        }
    }

    /// 403: the sender may not write to a private stream.
    pub(super) fn may_not_write(stream: PrivateStream) -> ApiError {
        let code = match stream {
            PrivateStream::Rooms => "rooms_not_allowed",
            PrivateStream::Resources => "resources_not_allowed",
            PrivateStream::Casts => "casts_not_allowed",
        };
        ApiError::forbidden(code, format!("this token may not write {}", Self::what(stream)))
            .hint(format!("add `+{}` to the sources of the token in INGEST_TOKENS", stream.word()))
    }

    /// Writes the name of the token into `meta.via` of an event. What the client sent under this name becomes
    /// `via_given`.
    ///
    /// The agents of a token with sources are its own: their instances begin with the name of the token. So a
    /// ping with another such token never counts as a ping of the same agent, and cannot stop it. Tokens with
    /// sources but without a name share their agents, because a part of the token must not become public.
    ///
    /// # Errors
    /// When the `meta` becomes too large.
    pub(crate) fn sign(self, new: NewEvent) -> Result<NewEvent, Invalid> {
        let Some(meta) = self.signed(&new) else { return Ok(new) };
        Ok(NewEvent { meta: Meta::new(meta)?, ..new })
    }

    /// As [`Sender::sign`], but cuts the `meta` if it becomes too large.
    pub(crate) fn sign_and_cut(self, new: NewEvent) -> NewEvent {
        match self.signed(&new) {
            Some(meta) => NewEvent { meta: Meta::cut(meta), ..new },
            None => new,
        }
    }

    /// The `meta` of an event with the name of the token. `None` if it need not change.
    fn signed(self, new: &NewEvent) -> Option<Map<String, Value>> {
        let Grant { name, scope } = self.grant;
        let owns_agent = *scope != Scope::All && new.event.source == Source::AgentPing;
        // The text has every key in this form, because serde_json wrote it.
        let has_via = new.meta.as_json().contains("\"via\"");
        if name.is_none() && !owns_agent && !has_via {
            return None;
        }
        let mut meta = new.meta.as_map().clone();
        if let Some(given) = meta.remove(VIA) {
            meta.insert("via_given".to_owned(), given);
        }
        if owns_agent {
            let instance = Pinger::read(&meta, new.event.module.as_str()).instance;
            let name = name.as_deref().unwrap_or(NO_NAME);
            meta.insert(INSTANCE.to_owned(), owned_instance(name, &instance).into());
        }
        if let Some(name) = name {
            meta.insert(VIA.to_owned(), name.as_str().into());
        }
        Some(meta)
    }

    /// Checks that the sender may send these events, and puts the sender into their dedup keys. If the sender
    /// may send events of every source, the events are returned unchanged.
    ///
    /// # Errors
    /// 403 if the sender may not send events of one of the sources; 400 if a dedup key becomes too long.
    pub(crate) fn own(self, events: Vec<NewEvent>) -> Result<Vec<NewEvent>, ApiError> {
        let (owner, sources) = match &self.grant.scope {
            Scope::All => return Ok(events),
            Scope::Only { owner, sources, .. } => (owner, sources),
        };
        let number = events.len();
        let own = |(nth, mut event): (usize, NewEvent)| {
            let at = if number == 1 { String::new() } else { format!("event {nth}: ") };
            let source = event.event.source;
            if !sources.contains(&source) {
                let may: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
                let message = format!("{at}this token may not send events of source {}", source.as_str());
                let error = ApiError::forbidden("source_not_allowed", message);
                return Err(match may[..] {
                    [] => error.hint("this token may only write to private streams"),
                    _ => error.hint(format!("this token may send: {}", may.join(", "))),
                });
            }
            let key = event.dedup_key.as_ref().map(|key| DedupKey::owned_by(key, owner)).transpose();
            event.dedup_key =
                key.map_err(|why| ApiError::bad_request("bad_event", format!("{at}`dedup_key`: {why}")))?;
            Ok(event)
        };
        events.into_iter().enumerate().map(own).collect()
    }
}

/// The instance of an agent that belongs to a limited token. Readers of a ping cut its instance, so the end
/// of a long instance becomes a part of its hash. Otherwise, two instances that differ only at the end would
/// become one.
fn owned_instance(name: &str, instance: &str) -> String {
    let whole = format!("{name}/{instance}");
    if whole.len() <= Pinger::MAX_INSTANCE {
        return whole;
    }
    let hash = short_hash(instance);
    let end = whole.floor_char_boundary(Pinger::MAX_INSTANCE - hash.len() - 1);
    format!("{}~{hash}", &whole[..end])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use hyper::header::{AUTHORIZATION, HeaderValue};
    use jiff::Timestamp;
    use oasis_core::ping::PING;
    use oasis_core::{Channel, Event, Kind, Module, Status, Ts};

    use super::super::callers::Caller;
    use super::super::limits::Limits;
    use super::super::viewer::{Credential, Viewer};
    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &str) -> HeaderMap {
        [(name, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    #[test]
    fn each_token_each_user_and_each_network_has_a_lane_of_its_own() {
        let tokens = "all,ci=a:agent.ping,ci=b:agent.ping,c:rooms".parse().unwrap();
        let senders = Senders::new(tokens, false, 0);
        let token = |token: &str, address: &str| {
            let headers = headers(AUTHORIZATION, &format!("Bearer {token}"));
            Caller::Service(senders.admit(&headers, address.parse().unwrap()).unwrap())
        };
        let anyone = Senders::new("".parse().unwrap(), true, 1);
        let network = |address: &str| {
            let headers = headers("x-forwarded-for".parse().unwrap(), address);
            Caller::Service(anyone.admit(&headers, "10.0.0.1".parse().unwrap()).unwrap())
        };
        let user = |user: &str| {
            Caller::Viewer(Arc::new(Viewer {
                user: user.into(),
                credential: Credential::Token(None),
                issued: None,
                expires: None,
                limits: Limits::default(),
                is_admin: false,
            }))
        };
        let callers = [
            token("all", "192.0.2.1"),
            token("a", "192.0.2.1"),
            token("b", "192.0.2.1"),
            token("c", "192.0.2.1"),
            user("ann"),
            user("bob"),
            user("1"),
            network("192.0.2.1"),
            network("192.0.2.2"),
            network("2001:db8:0:1::1"),
            network("2001:db8:0:2::1"),
        ];
        let lanes: HashSet<Lane<'_>> = callers.iter().map(Caller::lane).collect();
        assert_eq!(lanes.len(), callers.len(), "{lanes:?}");
        for (one, other) in [
            (token("a", "192.0.2.1"), token("a", "192.0.2.2")),
            (user("ann"), user("ann")),
            (network("2001:db8:0:1::1"), network("2001:db8:0:1:2:3:4:5")),
        ] {
            assert_eq!(one.lane(), other.lane());
        }
    }

    #[test]
    fn long_instances_of_a_limited_token_that_differ_only_at_the_end_stay_different() {
        let senders = Senders::new("a-very-long-name.1=t:agent.ping".parse().unwrap(), false, 0);
        let sender =
            senders.admit(&headers(AUTHORIZATION, "Bearer t"), "192.0.2.1".parse().unwrap()).unwrap();
        let signed = |instance: &str| {
            let event = Event {
                ts: Ts::clamped(Timestamp::UNIX_EPOCH),
                task: "IDLE".parse().unwrap(),
                layer_hint: None,
                module: Module::parse("PLANNER").unwrap(),
                source: Source::AgentPing,
                kind: Kind::parse(PING).unwrap(),
                status: Status::Info,
                link: None,
            };
            let meta = Meta::default().with(INSTANCE, Some(instance));
            let new = NewEvent { event, channel: Channel::devhub(), meta, dedup_key: None };
            let signed = sender.sign(new).unwrap();
            let stored = signed.meta.as_map()[INSTANCE].as_str().unwrap().to_owned();
            assert_eq!(Pinger::read(signed.meta.as_map(), "PLANNER").instance, stored, "it is not cut");
            stored
        };
        assert_eq!(signed("build-7:42"), "a-very-long-name.1/build-7:42");
        for long in ["i".repeat(199), "\u{e9}".repeat(99)] {
            let [one, other] = ["1", "2"].map(|end| signed(&format!("{long}{end}")));
            assert_ne!(one, other);
            assert!(one.starts_with("a-very-long-name.1/") && one.len() > 190, "{one}");
        }
    }
}
