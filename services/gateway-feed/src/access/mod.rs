//! Decides who may read public routes ([`Readers`]), who may send events ([`Senders`]), and who sent a
//! request to a private route ([`Callers`]). A [`Caller`] is a service or a user. A [`Viewer`] is a user.
//! [`Revocations`] knows which credentials have been revoked.

mod addresses;
mod callers;
mod limits;
mod not_admitted;
mod origins;
mod readers;
mod revocations;
mod sender_tokens;
mod senders;
mod subject;
mod viewer;

pub(crate) use addresses::{Refusals, client_address};
pub(crate) use callers::{Caller, Callers};
pub(crate) use limits::{Ids, Limits};
pub(crate) use not_admitted::NotAdmitted;
pub use origins::{NotAnOrigin, Origins};
pub(crate) use readers::Readers;
pub(crate) use revocations::{Revocations, covers, parts};
pub(crate) use sender_tokens::PrivateStream;
pub use sender_tokens::{BadTokens, SenderTokens};
pub(crate) use senders::{Lane, Sender, Senders};
pub(crate) use subject::Subject;
pub(crate) use viewer::{Credential, Viewer};
