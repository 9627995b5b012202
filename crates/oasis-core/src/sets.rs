//! The strict fields with a fixed set of values: source and status.

macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident, $what:literal {
        $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All values of the set.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// All values of the set as text, separated by commas.
            pub fn list() -> String {
                [$($text),+].join(", ")
            }

            /// The value as text.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, $crate::Invalid> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::Invalid::new(format!(
                        "{} is not a {}: expected one of {}",
                        $crate::invalid::shown(other), $what, Self::list()
                    ))),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use closed_set;

closed_set! {
    /// The kind of producer that an event came from.
    Source, "source" {
        /// An event sent to the ingest API without a more specific source.
        OasisEvents = "oasis.events",
        /// A GitHub webhook delivery.
        GithubActions = "github.actions",
        /// A Cloud Run deploy.
        GcpDeploy = "gcp.deploy",
        /// A ping of an agent.
        AgentPing = "agent.ping",
    }
}

closed_set! {
    /// The state that an event reports. All producers use the same states.
    Status, "status" {
        /// The work waits to start.
        Queued = "queued",
        /// The work is running.
        InProgress = "in_progress",
        /// The work succeeded.
        Success = "success",
        /// The work failed.
        Failure = "failure",
        /// The work was stopped before it finished.
        Cancelled = "cancelled",
        /// Information, neither good nor bad.
        Info = "info",
    }
}

impl Status {
    /// The status that a producer's word means, in upper or lower case. `None` for an unknown word.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_lowercase();
        match word.as_str() {
            "start" | "started" | "running" => Some(Self::InProgress),
            "succeeded" | "done" | "completed" | "ok" => Some(Self::Success),
            "fail" | "failed" | "error" | "blocked" => Some(Self::Failure),
            "warning" | "warn" => Some(Self::Info),
            status => status.parse().ok(),
        }
    }

    /// Whether the reported work has ended.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Success | Self::Failure | Self::Cancelled => true,
            Self::Queued | Self::InProgress | Self::Info => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_producers_become_statuses() {
        for (word, status) in [
            ("start", Some(Status::InProgress)),
            ("Succeeded", Some(Status::Success)),
            (" blocked ", Some(Status::Failure)),
            ("WARN", Some(Status::Info)),
            ("cancelled", Some(Status::Cancelled)),
            ("maybe", None),
            ("", None),
        ] {
            assert_eq!(Status::from_word(word), status, "{word}");
        }
        for status in Status::ALL {
            assert_eq!(Status::from_word(&status.as_str().to_uppercase()), Some(*status));
        }
    }
}
