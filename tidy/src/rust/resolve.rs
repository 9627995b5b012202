//! Finds the items that a path names, and the files that define these items.
//!
//! A path is followed through modules, imports, re-exports and globs to an item. If more segments follow a
//! type, such as a variant or an associated function, the path names the type. A path that ends at a module
//! names no item.

use super::module::Meaning;
use super::modules::Crate;

/// The module or the item that a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(usize),
    /// A path may continue after an item that has members, such as a type.
    Item {
        module: usize,
        name: String,
        has_members: bool,
    },
}

/// An item and the file that defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition<'a> {
    pub(crate) file: &'a str,
    pub(crate) name: String,
}

/// An import that is being followed: the module, the name that is looked up there, and the imported path.
type ActiveImport = (usize, String, Vec<String>);

/// The imports that are being followed. This list prevents an endless loop if imports name each other.
type ActiveImports = Vec<ActiveImport>;

impl Crate {
    /// Finds the items that `path` names in `module`. There are no items if the path leads out of the crate.
    pub(crate) fn definitions(&self, module: usize, path: &[String]) -> Vec<Definition<'_>> {
        self.items(self.resolve(module, path, &mut ActiveImports::new()))
    }

    /// Like [`Crate::definitions`], but finds items only if the first segment of `path` comes from a glob
    /// import.
    pub(crate) fn definitions_through_globs(&self, module: usize, path: &[String]) -> Vec<Definition<'_>> {
        match path {
            [first, ..] if !self.modules[module].names.contains_key(first) => self.definitions(module, path),
            _ => Vec::new(),
        }
    }

    /// Finds the definition of the macro `name` in `module` or in a module that contains `module`. The code
    /// after the definition of a macro can use the macro without an import, even in child modules.
    pub(crate) fn macro_definition(&self, module: usize, name: &str) -> Option<Definition<'_>> {
        let mut ancestors = std::iter::successors(Some(module), |module| self.modules[*module].parent);
        let defines_it = |module: &usize| {
            self.modules[*module].names.get(name).is_some_and(|meanings| meanings.contains(&Meaning::Macro))
        };
        ancestors.find(defines_it).map(|module| self.definition(module, name))
    }

    fn items(&self, targets: Vec<Target>) -> Vec<Definition<'_>> {
        let item = |target| match target {
            Target::Item { module, name, .. } => Some(self.definition(module, &name)),
            Target::Module(_) => None,
        };
        targets.into_iter().filter_map(item).collect()
    }

    fn definition(&self, module: usize, name: &str) -> Definition<'_> {
        Definition { file: &self.modules[module].file, name: name.to_owned() }
    }

    fn resolve(&self, module: usize, path: &[String], active: &mut ActiveImports) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => {
                let mut at = self.modules[module].parent;
                while let Some((_, remaining)) = rest.split_first().filter(|(next, _)| *next == "super") {
                    (at, rest) = (at.and_then(|module| self.modules[module].parent), remaining);
                }
                at.map(Target::Module).into_iter().collect()
            }
            name => self.lookup(module, name, active),
        };
        for name in rest {
            let step = |target| match target {
                Target::Module(module) => self.lookup(module, name, active),
                Target::Item { has_members: true, .. } => vec![target],
                Target::Item { .. } => Vec::new(),
            };
            targets = targets.into_iter().flat_map(step).collect();
        }
        targets
    }

    fn lookup(&self, module: usize, name: &str, active: &mut ActiveImports) -> Vec<Target> {
        let item = |has_members| vec![Target::Item { module, name: name.to_owned(), has_members }];
        let meanings = self.modules[module].names.get(name).into_iter().flatten();
        let targets: Vec<Target> = meanings
            .flat_map(|meaning| match meaning {
                Meaning::Module(child) => vec![Target::Module(*child)],
                Meaning::Type => item(true),
                Meaning::Value | Meaning::Macro => item(false),
                Meaning::Import(path) => self.follow(module, path, name, active),
            })
            .collect();
        if !targets.is_empty() {
            return targets;
        }
        let globs = self.modules[module].globs.iter();
        globs.flat_map(|path| self.follow_glob(module, path, name, active)).collect()
    }

    /// The targets of `name`, which the import of `path` brings into scope.
    fn follow(&self, module: usize, path: &[String], name: &str, active: &mut ActiveImports) -> Vec<Target> {
        let import = (module, name.to_owned(), path.to_vec());
        Self::unless_active(import, active, |active| self.resolve(module, path, active))
    }

    /// The targets of `name` through the glob import of `path`.
    fn follow_glob(
        &self,
        module: usize,
        path: &[String],
        name: &str,
        active: &mut ActiveImports,
    ) -> Vec<Target> {
        let import = (module, name.to_owned(), path.to_vec());
        Self::unless_active(import, active, |active| {
            let within = self.resolve(module, path, active);
            let lookup = |target| match target {
                Target::Module(module) => self.lookup(module, name, active),
                Target::Item { .. } => Vec::new(),
            };
            within.into_iter().flat_map(lookup).collect()
        })
    }

    /// Follows an import with `follow`, or returns nothing if the same import is already being followed.
    fn unless_active(
        import: ActiveImport,
        active: &mut ActiveImports,
        follow: impl FnOnce(&mut ActiveImports) -> Vec<Target>,
    ) -> Vec<Target> {
        if active.contains(&import) {
            return Vec::new();
        }
        active.push(import);
        let targets = follow(active);
        active.pop();
        targets
    }
}
