//! [`Filter`]: selects the rows of a channel that a reader wants.
//!
//! The call of [`filter_fields!`] contains the only list of the fields that a filter may name. Each entry of
//! the list defines the field of the struct, the parameter of every request that accepts filters, the
//! comparison with an event, and the condition in SQL.

use oasis_core::{Channel, Invalid, Kind, Layer, Module, Source, Status, Task};

use crate::event::StoredEvent;

/// A value that a filter accepts.
trait Accepted: Sized {
    /// Parses a value that a caller sent.
    fn read(text: &str) -> Result<Self, Invalid>;
    /// The value in the form that the column contains.
    fn text(&self) -> &str;
}

macro_rules! accepted {
    ($($type:ty: $read:expr),+ $(,)?) => {$(
        impl Accepted for $type {
            fn read(text: &str) -> Result<Self, Invalid> {
                let read: fn(&str) -> Result<Self, Invalid> = $read;
                read(text)
            }

            fn text(&self) -> &str {
                self.as_str()
            }
        }
    )+};
}

accepted! {
    Task: str::parse,
    // The words that ingest accepts are accepted too, such as `error`.
    Status: |text| Status::from_word(text).map_or_else(|| text.parse(), Ok),
    Source: str::parse,
    Kind: Kind::parse,
    // Callers may use lower case.
    Module: |text| Module::parse(&text.to_ascii_uppercase()),
    Layer: |text| Layer::parse(&text.to_ascii_uppercase()),
}

macro_rules! filter_fields {
    ($($(#[$doc:meta])* $name:ident: $type:ty = |$event:ident| $value:expr;)+) => {
        /// Selects the rows that a reader wants. A filter names a channel and, for each field, the accepted
        /// values. An empty list accepts any value.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct Filter {
            /// The filter accepts only rows of this channel.
            pub channel: Channel,
            $($(#[$doc])* pub $name: Vec<$type>,)+
        }

        /// One field that a filter may name.
        pub struct FilterField {
            /// The name of the request parameter and of the column.
            pub name: &'static str,
            set: fn(&mut Filter, &[&str]) -> Result<(), Invalid>,
        }

        impl Filter {
            /// The fields that a filter may name.
            pub const FIELDS: &[FilterField] = &[$(FilterField {
                name: stringify!($name),
                set: |filter, texts| {
                    let values = texts.iter().map(|text| <$type>::read(text));
                    filter.$name = values.collect::<Result<_, _>>()?;
                    filter.$name.sort_unstable();
                    filter.$name.dedup();
                    Ok(())
                },
            }),+];

            /// A filter that accepts every event of `channel`.
            pub fn all(channel: Channel) -> Self {
                Self { channel, $($name: Vec::new()),+ }
            }

            /// Whether the filter accepts every event of its channel.
            pub fn is_open(&self) -> bool {
                true $(&& self.$name.is_empty())+
            }

            /// Whether the filter accepts `event`.
            pub fn accepts(&self, event: &StoredEvent) -> bool {
                fn has_value<T: PartialEq>(accepted: &[T], value: &T) -> bool {
                    accepted.is_empty() || accepted.contains(value)
                }
                self.channel == event.channel $(&& { let $event = event; has_value(&self.$name, $value) })+
            }

            /// The column and the accepted texts of each field that the filter names, in the order of
            /// [`Filter::FIELDS`].
            pub(crate) fn named(&self) -> Vec<(&'static str, Vec<String>)> {
                let mut named = Vec::new();
                $(if !self.$name.is_empty() {
                    let texts = self.$name.iter().map(|value| value.text().to_owned()).collect();
                    named.push((stringify!($name), texts));
                })+
                named
            }
        }
    };
}

// The order of the fields matters: the first field that a filter names determines the index that a page uses
// (see `page/walk.rs`).
filter_fields! {
    /// Accepted VTIDs. `UNSET` and `IDLE` count as VTIDs here.
    vtid: Task = |event| &event.task;
    /// Accepted statuses.
    status: Status = |event| &event.status;
    /// Accepted sources.
    source: Source = |event| &event.source;
    /// Accepted kinds.
    kind: Kind = |event| &event.kind;
    /// Accepted modules.
    module: Module = |event| &event.module;
    /// Accepted layers.
    layer: Layer = |event| &event.layer;
}

impl FilterField {
    /// Makes `filter` accept only `texts` as values of this field. Repeated texts count once.
    ///
    /// # Errors
    /// When one of `texts` is not a value of the field.
    pub fn accept(&self, filter: &mut Filter, texts: &[&str]) -> Result<(), Invalid> {
        (self.set)(filter, texts)
    }
}

impl Filter {
    /// Whether the filter accepts every event of the ticker, which is the channel `devhub`.
    pub fn takes_the_ticker(&self) -> bool {
        self.channel.is_devhub() && self.is_open()
    }
}
