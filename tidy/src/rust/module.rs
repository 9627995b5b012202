//! A module: which names it has, and which paths it mentions.

use std::collections::BTreeMap;

use syn::{Item, ItemUse, UseTree};

use super::named::{Named, is_for_tests};

/// A module with a file of its own, or one within braces.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) parent: Option<usize>,
    pub(crate) file: String,
    /// What a name means here. A name may mean several things: a module and a function, for example.
    pub(crate) names: BTreeMap<String, Vec<Meaning>>,
    /// The paths before `::*`.
    pub(crate) globs: Vec<Vec<String>>,
    /// The paths of `use` without a star.
    pub(crate) used: Vec<Vec<String>>,
    pub(crate) named: Vec<Named>,
}

/// What a name of a module stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Module(usize),
    /// A type, a trait: what a path may go on from.
    Type,
    /// A function, a constant.
    Value,
    Macro,
    Import(Vec<String>),
}

impl Module {
    /// Adds a meaning of `name`.
    pub(crate) fn mean(&mut self, name: String, meaning: Meaning) {
        self.names.entry(name).or_default().push(meaning);
    }

    /// Adds what a `use` imports.
    pub(crate) fn imports(&mut self, item: &ItemUse) {
        if item.leading_colon.is_none() && !is_for_tests(&item.attrs) {
            self.import(&item.tree, &mut Vec::new());
        }
    }

    fn import(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.import(&part.tree, path);
                path.pop();
            }
            UseTree::Group(group) => {
                for part in &group.items {
                    self.import(part, path);
                }
            }
            UseTree::Glob(_) => self.globs.push(path.clone()),
            UseTree::Name(part) => {
                let (whole, name) = named_by(path, &part.ident.to_string());
                self.bring(name, whole);
            }
            UseTree::Rename(part) => {
                let (whole, _) = named_by(path, &part.ident.to_string());
                self.bring(part.rename.to_string(), whole);
            }
        }
    }

    fn bring(&mut self, name: String, path: Vec<String>) {
        self.used.push(path.clone());
        if name != "_" {
            self.mean(name, Meaning::Import(path));
        }
    }
}

/// The whole path, and the name that it brings: `a::{self}` is `a`.
fn named_by(path: &[String], last: &str) -> (Vec<String>, String) {
    let mut whole = path.to_vec();
    if last != "self" || path.is_empty() {
        whole.push(last.to_owned());
    }
    let name = whole.last().cloned().unwrap_or_default();
    (whole, name)
}

/// The name that an item defines, and what it means.
pub(crate) fn defined(item: &Item) -> Option<(String, Meaning)> {
    let (name, meaning) = match item {
        Item::Struct(item) => (&item.ident, Meaning::Type),
        Item::Enum(item) => (&item.ident, Meaning::Type),
        Item::Union(item) => (&item.ident, Meaning::Type),
        Item::Trait(item) => (&item.ident, Meaning::Type),
        Item::TraitAlias(item) => (&item.ident, Meaning::Type),
        Item::Type(item) => (&item.ident, Meaning::Type),
        Item::Fn(item) => (&item.sig.ident, Meaning::Value),
        Item::Const(item) => (&item.ident, Meaning::Value),
        Item::Static(item) => (&item.ident, Meaning::Value),
        Item::Macro(item) => (item.ident.as_ref()?, Meaning::Macro),
        _ => return None,
    };
    Some((name.to_string(), meaning))
}
