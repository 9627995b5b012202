//! [`Subject`]: what a revocation or a change of rights applies to.

use std::sync::Arc;

use oasis_core::Channel;

/// What a revocation or a change of rights applies to. Each open stream is registered under its subjects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// A user, by the claim `sub`.
    User(Arc<str>),
    /// A JSON Web Token, by the claim `jti`.
    Token(Arc<str>),
    /// An API key, by its id.
    Key(Arc<str>),
    /// A channel, such as the channel of a room.
    Channel(Channel),
    /// A place of a user's stream of casts.
    Place(i64),
}
