//! The flags for the address of a gateway and for the token that the gateway may require.

use oasis_service::Secret;
use oasis_service::client::Base;

/// The address of a gateway, and the token for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Gateway {
    /// Address of gateway-feed
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    pub(crate) url: Base,
    /// Token for reading; required if READ_TOKENS is set on the gateway
    #[arg(long, env = "READ_TOKEN")]
    pub(crate) token: Option<Secret>,
}
