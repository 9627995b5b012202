//! Reads the modules of a crate from their files.

use syn::visit::Visit;
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta, MetaNameValue};

use super::mentions::{MentionVisitor, attributes, is_for_tests};
use super::module::{Meaning, Module, defined_name};
use crate::finding::Finding;
use crate::paths::join;
use crate::tree::Tree;

/// The modules of a library or a program. The first module is the root.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
}

impl Crate {
    /// Reads the crate whose root is the file at `root`, such as `cli/src/main.rs`.
    ///
    /// # Errors
    /// Returns an error if a file is missing or is not valid Rust.
    pub(crate) fn read(tree: &Tree, root: &str) -> Result<Self, Finding> {
        let mut krate = Self::default();
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        krate.read_file(tree, root, folder, None)?;
        Ok(krate)
    }

    /// The files of the modules that contain `module`, without the file of `module` itself. The nearest file
    /// comes first.
    pub(crate) fn files_above(&self, module: usize) -> Vec<&str> {
        let own = self.modules[module].file.as_str();
        let parents = std::iter::successors(self.modules[module].parent, |above| self.modules[*above].parent);
        parents.map(|above| self.modules[above].file.as_str()).filter(|file| *file != own).collect()
    }

    fn read_file(
        &mut self,
        tree: &Tree,
        path: &str,
        folder: &str,
        parent: Option<usize>,
    ) -> Result<usize, Finding> {
        let text = tree.text(path).ok_or_else(|| Finding::new(path, "the file is not UTF-8: convert it"))?;
        let file = syn::parse_file(text).map_err(|error| {
            Finding::at(path, error.span().start().line, format!("this is not valid Rust: {error}"))
        })?;
        let module = self.add(Module { parent, file: path.to_owned(), ..Module::default() });
        self.read_items(tree, &file.items, module, folder)?;
        Ok(module)
    }

    fn add(&mut self, module: Module) -> usize {
        self.modules.push(module);
        self.modules.len() - 1
    }

    /// Adds the items to `module`. The files of the child modules are in `folder`.
    fn read_items(
        &mut self,
        tree: &Tree,
        items: &[Item],
        module: usize,
        folder: &str,
    ) -> Result<(), Finding> {
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            if let Item::Mod(declared) = item {
                self.read_module(tree, declared, module, folder)?;
                continue;
            }
            if let Item::Use(item) = item {
                self.modules[module].add_use(item);
                continue;
            }
            if let Some((name, meaning)) = defined_name(item) {
                // An exported macro belongs to the root, even if another module defines it.
                let is_exported = attributes(item).iter().any(|attr| attr.path().is_ident("macro_export"));
                if is_exported && module != 0 {
                    let file = self.modules[module].file.clone();
                    self.add_exported_macro(&name, file);
                }
                self.modules[module].add_meaning(name, meaning);
            }
            let mut visitor = MentionVisitor::default();
            visitor.visit_item(item);
            self.modules[module].mentions.append(&mut visitor.mentions);
            for item in &visitor.inner_uses {
                self.modules[module].add_use(item);
            }
        }
        Ok(())
    }

    fn read_module(
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
            self.read_items(tree, items, child, &inside)?;
            child
        } else {
            let path = match path_attribute(&declared.attrs) {
                Some(path) => join(&self.modules[parent].file, &path).unwrap_or(path),
                None => [format!("{inside}.rs"), format!("{inside}/mod.rs")]
                    .into_iter()
                    .find(|path| tree.has(path))
                    .unwrap_or_else(|| format!("{inside}.rs")),
            };
            if !tree.has(&path) {
                let at = self.modules[parent].file.as_str();
                return Err(Finding::new(at, format!("`mod {name}` has no file: add {path}")));
            }
            self.read_file(tree, &path, &inside, Some(parent))?
        };
        self.modules[parent].add_meaning(name, Meaning::Module(child));
        Ok(())
    }

    /// Defines the macro in a hidden module of `file`, and adds an import of the macro to the root. So a use
    /// of the macro is a dependency on `file`.
    fn add_exported_macro(&mut self, name: &str, file: String) {
        let mut holder = Module { parent: Some(0), file, ..Module::default() };
        holder.add_meaning(name.to_owned(), Meaning::Macro);
        let holder = self.add(holder);
        let hidden = format!("{name}!");
        self.modules[0].add_meaning(hidden.clone(), Meaning::Module(holder));
        let path = vec!["crate".into(), hidden, name.to_owned()];
        self.modules[0].add_meaning(name.to_owned(), Meaning::Import(path));
    }
}

/// The path in `#[path = "…"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(MetaNameValue {
            path,
            value: Expr::Lit(ExprLit { lit: Lit::Str(text), .. }),
            ..
        }) if path.is_ident("path") => Some(text.value()),
        _ => None,
    })
}
