//! A module of a crate: the names in its scope, and the paths that it mentions.

use std::collections::BTreeMap;

use syn::{Item, ItemUse, UseTree};

use super::mentions::{Mention, is_for_tests};

/// A module. The code of a module is in a separate file, or in the braces of `mod x { … }`.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) parent: Option<usize>,
    pub(crate) file: String,
    /// The meanings of each name in scope. A name may have several meanings, such as a module and a function.
    pub(crate) names: BTreeMap<String, Vec<Meaning>>,
    /// The paths that are imported with `::*`, without this ending.
    pub(crate) globs: Vec<Vec<String>>,
    /// The paths of all other imports.
    pub(crate) imported: Vec<Vec<String>>,
    pub(crate) mentions: Vec<Mention>,
}

/// The meaning of a name in a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The index of a module in its crate.
    Module(usize),
    /// A type or a trait. A path may continue after the name of a type or a trait.
    Type,
    /// A function or a constant.
    Value,
    Macro,
    Import(Vec<String>),
}

impl Module {
    /// Adds a meaning of `name`.
    pub(crate) fn add_meaning(&mut self, name: String, meaning: Meaning) {
        self.names.entry(name).or_default().push(meaning);
    }

    /// Adds the imports of a `use`, unless the `use` is for tests or starts with `::`.
    pub(crate) fn add_use(&mut self, item: &ItemUse) {
        if item.leading_colon.is_none() && !is_for_tests(&item.attrs) {
            self.add_use_tree(&item.tree, &mut Vec::new());
        }
    }

    fn add_use_tree(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.add_use_tree(&part.tree, path);
                path.pop();
            }
            UseTree::Group(group) => {
                for part in &group.items {
                    self.add_use_tree(part, path);
                }
            }
            UseTree::Glob(_) => self.globs.push(path.clone()),
            UseTree::Name(part) => {
                let (whole, name) = whole_path_and_name(path, &part.ident.to_string());
                self.add_import(name, whole);
            }
            UseTree::Rename(part) => {
                let (whole, _) = whole_path_and_name(path, &part.ident.to_string());
                self.add_import(part.rename.to_string(), whole);
            }
        }
    }

    fn add_import(&mut self, name: String, path: Vec<String>) {
        self.imported.push(path.clone());
        if name != "_" {
            self.add_meaning(name, Meaning::Import(path));
        }
    }
}

/// The whole imported path, and the name that this path brings into scope. `a::{self}` imports `a`.
fn whole_path_and_name(path: &[String], last: &str) -> (Vec<String>, String) {
    let mut whole = path.to_vec();
    if last != "self" || path.is_empty() {
        whole.push(last.to_owned());
    }
    let name = whole.last().cloned().unwrap_or_default();
    (whole, name)
}

/// The name that an item defines, and the meaning of this name.
pub(crate) fn defined_name(item: &Item) -> Option<(String, Meaning)> {
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
