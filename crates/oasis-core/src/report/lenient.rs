//! Takes the fields of a report. A bad value is replaced or left out, and `meta` keeps the text that was
//! given.

use serde_json::{Map, Value};

use crate::link::Link;
use crate::meta::{Meta, TRUNCATED};
use crate::names::{Kind, Layer, Module};
use crate::sets::Status;
use crate::task::Task;
use crate::ts::Ts;

/// The maximum number of bytes that `meta` keeps of a text that is not a VTID.
const MOST_VTID_GIVEN: usize = 200;

/// A value that does not fit its field. The event has a replacement or no value in this field. The entry
/// `name` of `meta` keeps the value that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The name of the entry, such as `vtid_given`.
    pub name: &'static str,
    /// The value as text.
    pub given: String,
}

/// The fields of one event, and the entries for its `meta`.
pub(super) struct Lenient {
    fields: Map<String, Value>,
    meta: Map<String, Value>,
    /// The values that did not fit their fields.
    pub(super) marks: Vec<Mark>,
    /// The prefix for the name of a new entry of `meta` if an entry with this name already exists.
    clash: &'static str,
}

impl Lenient {
    pub(super) fn new(fields: Map<String, Value>, clash: &'static str) -> Self {
        Self { fields, meta: Map::new(), marks: Vec::new(), clash }
    }

    /// Takes the first of the named fields that is present. Null counts as absent.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find_map(|name| take(&mut self.fields, name))
    }

    /// Takes the first of the named fields that is present. If the value is an object, returns this object.
    /// Otherwise, adds the value to `meta`, and returns an empty object.
    pub(super) fn object(&mut self, names: &[&str]) -> Map<String, Value> {
        let found = names.iter().find_map(|name| Some((*name, take(&mut self.fields, name)?)));
        match found {
            Some((_, Value::Object(object))) => object,
            Some((name, other)) => {
                self.keep(name, other);
                Map::new()
            }
            None => Map::new(),
        }
    }

    /// Adds an entry to `meta`. If an entry with this name exists, the new name gets the prefix `clash`.
    pub(super) fn keep(&mut self, name: &str, value: Value) {
        insert(&mut self.meta, self.clash, name, value);
    }

    /// Adds a value that does not fit its field to the marks and to `meta`.
    pub(super) fn mark(&mut self, name: &'static str, value: Value) {
        self.marks.push(Mark { name, given: shown(&value) });
        self.keep(name, value);
    }

    /// The task of the first valid text in `given`. A VTID has precedence over `UNSET` and `IDLE`. A text
    /// that names another task, or no task, is marked.
    pub(super) fn task(&mut self, given: impl IntoIterator<Item = Option<Value>>) -> Task {
        let given: Vec<Value> = given.into_iter().flatten().collect();
        let tasks: Vec<Task> = given.iter().filter_map(|value| value.as_str()?.trim().parse().ok()).collect();
        let named = tasks.iter().find(|task| matches!(task, Task::Vtid(_))).or_else(|| tasks.first());
        let task = named.cloned();
        for text in given.iter().map(shown) {
            let is_chosen = task.as_ref().is_some_and(|task| task.as_str().eq_ignore_ascii_case(text.trim()));
            if !is_chosen {
                self.mark("vtid_given", vtid_given(&text));
            }
        }
        task.unwrap_or(Task::Unset)
    }

    /// The module made from the name of a service, or `CORE` if there is no name.
    pub(super) fn module(&mut self, name: Option<Value>) -> Module {
        let Some(name) = name.as_ref().map(shown) else { return Module::core() };
        let module = Module::from_name(&name);
        if !module.as_str().eq_ignore_ascii_case(name.trim()) {
            self.mark("module_given", name.into());
        }
        module
    }

    /// The kind made from `name`.
    pub(super) fn kind(&mut self, name: &Value) -> Kind {
        let name = shown(name);
        let kind = Kind::from_name(&name);
        if !kind.as_str().eq_ignore_ascii_case(name.trim()) {
            self.mark("kind_given", name.into());
        }
        kind
    }

    /// The layer to use if the VTID of the task has no layer. A text that is not used is marked.
    pub(super) fn layer(&mut self, layer: Option<Value>, task: &Task) -> Option<Layer> {
        let given = shown(&layer?);
        let layer = Layer::parse(&given.trim().to_ascii_uppercase()).ok();
        let is_used =
            layer.as_ref().is_some_and(|layer| task.layer().is_none_or(|own| own == layer.as_str()));
        if !is_used {
            self.mark("layer_given", given.into());
        }
        layer
    }

    /// The status that `word` means. An unknown word is marked and becomes `info`.
    pub(super) fn status(&mut self, word: Option<Value>) -> Option<Status> {
        let word = shown(&word?);
        Some(Status::from_word(&word).unwrap_or_else(|| {
            self.mark("status_given", word.into());
            Status::Info
        }))
    }

    pub(super) fn link(&mut self, link: Option<Value>) -> Option<Link> {
        let link = shown(&link?);
        Link::parse(&link).map_err(|_| self.mark("link_given", link.into())).ok()
    }

    pub(super) fn time(&mut self, time: Option<Value>, now: Ts) -> Ts {
        let Some(time) = time else { return now };
        let time = shown(&time);
        time.parse().unwrap_or_else(|_| {
            self.mark("ts_given", time.into());
            now
        })
    }

    /// The `meta` of the event: the kept entries, then the fields that have not been taken, then the entries
    /// of `nested`, a field that is an object. A `meta` that is too large is cut.
    pub(super) fn meta(&mut self, nested: Map<String, Value>) -> Meta {
        for (name, value) in std::mem::take(&mut self.fields).into_iter().chain(nested) {
            if !value.is_null() {
                self.keep(&name, value);
            }
        }
        let (meta, was_cut) = Meta::fit(std::mem::take(&mut self.meta));
        if was_cut {
            self.marks.push(Mark { name: TRUNCATED, given: String::new() });
        }
        meta
    }
}

/// Adds an entry to an object. If an entry with this name exists, the name of the new entry gets the prefix
/// `clash`, more than once if necessary.
pub(super) fn insert(object: &mut Map<String, Value>, clash: &str, name: &str, value: Value) {
    let mut name = name.to_owned();
    while object.contains_key(&name) {
        name.insert_str(0, clash);
    }
    object.insert(name, value);
}

/// Takes a field out of an object. Null counts as absent.
pub(super) fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    object.remove(name).filter(|value| !value.is_null())
}

/// The value of `meta.vtid_given`: the first 200 bytes of a text that is not a VTID. NUL characters are
/// replaced.
pub fn vtid_given(text: &str) -> Value {
    text[..text.floor_char_boundary(MOST_VTID_GIVEN)].replace('\0', "\u{fffd}").into()
}

/// A string as it is, and any other value as JSON.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
