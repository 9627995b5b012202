//! The modules of a crate, in memory: which file each is in, what it defines, imports and mentions.

use std::collections::BTreeMap;

use syn::visit::Visit;
use syn::{Item, ItemUse, UseTree};

use super::named::{Gatherer, Named, attributes, is_for_tests};
use crate::finding::Finding;
use crate::tree::Tree;

/// The modules of a library or a program; the first one is its root.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
}

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

impl Crate {
    /// Reads the crate whose root is the file at `root`, such as `cli/src/main.rs`.
    ///
    /// # Errors
    /// A file that is not Rust, or is missing.
    pub(crate) fn read(tree: &Tree, root: &str) -> Result<Self, Finding> {
        let mut read = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        read.file(tree, root, folder, None)?;
        Ok(read)
    }

    /// The files in which the modules around `module` are, the nearest first, without its own.
    pub(crate) fn files_above(&self, module: usize) -> Vec<&str> {
        let own = self.modules[module].file.as_str();
        let parents = std::iter::successors(self.modules[module].parent, |above| self.modules[*above].parent);
        parents.map(|above| self.modules[above].file.as_str()).filter(|file| *file != own).collect()
    }

    fn file(
        &mut self,
        tree: &Tree,
        path: &str,
        folder: &str,
        parent: Option<usize>,
    ) -> Result<usize, Finding> {
        let text = tree.text(path).ok_or_else(|| Finding::new(path, "the file cannot be read: add it"))?;
        let file = syn::parse_file(text).map_err(|error| {
            Finding::at(path, error.span().start().line, format!("this is not Rust: {error}"))
        })?;
        let module = self.add(Module { parent, file: path.to_owned(), ..Module::default() });
        self.take_in(tree, &file.items, module, folder)?;
        Ok(module)
    }

    fn add(&mut self, module: Module) -> usize {
        self.modules.push(module);
        self.modules.len() - 1
    }

    /// `folder` is where the files of child modules are.
    fn take_in(&mut self, tree: &Tree, items: &[Item], module: usize, folder: &str) -> Result<(), Finding> {
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            if let Item::Mod(declared) = item {
                self.module(tree, declared, module, folder)?;
                continue;
            }
            if let Item::Use(item) = item {
                self.modules[module].imports(item);
                continue;
            }
            if let Some((name, meaning)) = defined(item) {
                // It is named from the root, wherever it stands.
                let is_exported = attributes(item).iter().any(|attr| attr.path().is_ident("macro_export"));
                if is_exported && module != 0 {
                    let file = self.modules[module].file.clone();
                    self.exported_macro(&name, file);
                }
                self.modules[module].mean(name, meaning);
            }
            let mut gatherer = Gatherer::default();
            gatherer.visit_item(item);
            self.modules[module].named.append(&mut gatherer.named);
            for item in &gatherer.inner_uses {
                self.modules[module].imports(item);
            }
        }
        Ok(())
    }

    fn module(
        &mut self,
        tree: &Tree,
        declared: &syn::ItemMod,
        parent: usize,
        folder: &str,
    ) -> Result<(), Finding> {
        let name = declared.ident.to_string();
        let inside = format!("{folder}/{name}");
        let child = if let Some((_, items)) = &declared.content {
            let file = self.modules[parent].file.clone();
            let child = self.add(Module { parent: Some(parent), file, ..Module::default() });
            self.take_in(tree, items, child, &inside)?;
            child
        } else {
            let (beside, within) = (format!("{inside}.rs"), format!("{inside}/mod.rs"));
            let path = if tree.has(&beside) { beside } else { within };
            if !tree.has(&path) {
                let at = self.modules[parent].file.as_str();
                return Err(Finding::new(at, format!("`mod {name}` has no file: add {inside}.rs")));
            }
            self.file(tree, &path, &inside, Some(parent))?
        };
        self.modules[parent].mean(name, Meaning::Module(child));
        Ok(())
    }

    /// A module of its own, without a name, through which the root finds the macro in its file.
    fn exported_macro(&mut self, name: &str, file: String) {
        let mut holder = Module { parent: Some(0), file, ..Module::default() };
        holder.mean(name.to_owned(), Meaning::Macro);
        let holder = self.add(holder);
        let hidden = format!("{name}!");
        self.modules[0].mean(hidden.clone(), Meaning::Module(holder));
        self.modules[0].mean(name.to_owned(), Meaning::Import(vec!["crate".into(), hidden, name.to_owned()]));
    }
}

impl Module {
    fn mean(&mut self, name: String, meaning: Meaning) {
        self.names.entry(name).or_default().push(meaning);
    }

    fn imports(&mut self, item: &ItemUse) {
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

fn defined(item: &Item) -> Option<(String, Meaning)> {
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
