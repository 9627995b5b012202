//! Decides who may read ([`Readers`]), and who may send events ([`Senders`]).

mod readers;
mod senders;

pub(crate) use readers::Readers;
pub(crate) use senders::Senders;
