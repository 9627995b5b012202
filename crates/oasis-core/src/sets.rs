//! The closed sets among the strict fields: source and status.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::invalid::{Invalid, shown};

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident, $what:literal {
        $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every member of the set.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The field's text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err(Invalid::new(format!(
                        "{} is not a {}: expected one of {}", shown(other), $what, [$($text),+].join(", ")
                    ))),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_set! {
    /// Where an event came from.
    Source, "source" {
        /// Anything sent to the ingest API without a nearer source.
        OasisEvents = "oasis.events",
        /// A GitHub webhook delivery.
        GithubActions = "github.actions",
        /// A Cloud Run deploy.
        GcpDeploy = "gcp.deploy",
        /// An agent's heartbeat.
        AgentPing = "agent.ping",
    }
}

closed_set! {
    /// The state an event reports, the same for every producer.
    Status, "status" {
        /// It waits to begin.
        Queued = "queued",
        /// It runs.
        InProgress = "in_progress",
        /// It ended well.
        Success = "success",
        /// It ended badly.
        Failure = "failure",
        /// It was ended before its end.
        Cancelled = "cancelled",
        /// Something to know, neither good nor bad.
        Info = "info",
    }
}

impl Status {
    /// Whether what it reports is over.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Cancelled => true,
            Self::Queued | Self::InProgress | Self::Info => false,
        }
    }
}
