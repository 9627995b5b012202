//! The flags that say which gateway is read.

use oasis_service::Secret;
use oasis_service::client::Base;

/// A gateway, and the right to read from it.
#[derive(clap::Args, Debug)]
pub(crate) struct Gateway {
    /// Address of gateway-feed
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub(crate) url: Base,
    /// Token to read with, where the gateway is guarded by READ_TOKENS
    #[arg(long, env = "READ_TOKEN")]
    pub(crate) token: Option<Secret>,
}
