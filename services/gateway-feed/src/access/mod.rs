//! Decides who may read ([`Readers`]), and who may send events ([`Senders`]).

mod readers;
mod sender_tokens;
mod senders;

pub(crate) use readers::Readers;
pub use sender_tokens::{BadTokens, SenderTokens};
pub(crate) use senders::Senders;
