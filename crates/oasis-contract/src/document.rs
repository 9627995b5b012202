//! The descriptions, and places in them.

use std::sync::LazyLock;

use serde_json::Value;

use crate::yaml;

/// A description.
pub(crate) struct Document {
    /// The address by which schemas refer to the description.
    pub(crate) address: &'static str,
    pub(crate) root: Value,
}

pub(crate) static DOCUMENTS: LazyLock<[Document; 2]> = LazyLock::new(|| {
    [
        Document {
            address: "oasis:gateway-v1",
            root: yaml::read(include_str!("../../../openapi/gateway-v1.yml")),
        },
        Document {
            address: "oasis:oasis-v1",
            root: yaml::read(include_str!("../../../openapi/oasis-v1.yml")),
        },
    ]
});

impl Document {
    /// The paths, and their items.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (&str, &Value)> {
        let paths = self.root["paths"].as_object();
        paths.into_iter().flatten().map(|(path, item)| (path.as_str(), item))
    }
}

/// The methods of a path item.
pub(crate) fn methods(item: &Value) -> impl Iterator<Item = &str> {
    let known = ["get", "put", "post", "patch", "delete"];
    let keys = item.as_object().into_iter().flat_map(serde_json::Map::keys);
    keys.map(String::as_str).filter(move |key| known.contains(key))
}

/// A place in a description. The description need not have the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    document: usize,
    /// A JSON pointer (RFC 6901).
    pointer: String,
}

impl Place {
    /// The item of the path that describes this path.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        // The parameter `{path}` contains slashes, which OpenAPI cannot describe.
        let limit =
            |known: &str| if known.ends_with("/{path}") { known.split('/').count() } else { usize::MAX };
        let matches = |known: &str| {
            known.split('/').count() == path.splitn(limit(known), '/').count()
                && known
                    .split('/')
                    .zip(path.splitn(limit(known), '/'))
                    // An id may be invalid, and even empty.
                    .all(|(known, part)| known.starts_with('{') || known == part)
        };
        let paths = DOCUMENTS.iter().enumerate().flat_map(|(document, one)| {
            one.paths().filter(|(known, _)| matches(known)).map(move |(known, _)| (document, known))
        });
        // A path without parameters comes before one with them (OpenAPI 3.1, Paths Object).
        let (document, known) = paths.min_by_key(|(_, known)| known.matches('{').count())?;
        Some(Self { document, pointer: "/paths".to_owned() }.child(known))
    }

    pub(crate) fn child(&self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self { document: self.document, pointer: format!("{}/{key}", self.pointer) }
    }

    /// A component of the description of the gateway.
    pub(crate) fn component(sort: &str, name: &str) -> Self {
        Self { document: 0, pointer: "/components".to_owned() }.child(sort).child(name)
    }

    pub(crate) fn value(&self) -> Option<&'static Value> {
        DOCUMENTS[self.document].root.pointer(&self.pointer)
    }

    /// The place itself, if the description has it.
    pub(crate) fn existing(self) -> Option<Self> {
        self.value().is_some().then_some(self)
    }

    /// A reference to the place from a schema.
    pub(crate) fn reference(&self) -> String {
        // A fragment may not contain these characters of paths and media types.
        let fragment = self.pointer.replace('{', "%7B").replace('}', "%7D").replace(' ', "%20");
        format!("{}#{fragment}", DOCUMENTS[self.document].address)
    }
}

/// Follows a reference to a component.
pub(crate) fn resolve(place: Place) -> Place {
    let reference =
        place.value().and_then(|value| value["$ref"].as_str()).and_then(|text| text.strip_prefix('#'));
    match reference {
        Some(pointer) => Place { document: place.document, pointer: pointer.to_owned() },
        None => place,
    }
}
