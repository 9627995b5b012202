//! From a path as it is written to the files that define what it names.
//!
//! A path is followed through modules, imports, re-exports and globs to the item. It ends there: what comes
//! after a type (a variant, an associated function) is in the type's file as far as this is concerned. A
//! path that ends at a module names nothing of it; what is named through the module counts by itself.

use super::module::Meaning;
use super::modules::Crate;

/// What a path comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Module(usize),
    Item { module: usize, name: String, can_go_on: bool },
}

/// An item, and the file that defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition<'a> {
    pub(crate) file: &'a str,
    pub(crate) name: String,
}

/// The import of a path that is being followed for a name in a module.
type Step = (usize, String, Vec<String>);

/// The imports that are being followed, so that two that name each other end.
type Open = Vec<Step>;

impl Crate {
    /// The items that `path` names when it stands in `module`; none when it leads out of the crate.
    pub(crate) fn definitions(&self, module: usize, path: &[String]) -> Vec<Definition<'_>> {
        self.items(self.resolve(module, path, &mut Open::new()))
    }

    /// As [`Crate::definitions`], for a path that has a meaning here through a glob import alone.
    pub(crate) fn definitions_through_globs(&self, module: usize, path: &[String]) -> Vec<Definition<'_>> {
        match path {
            [first, ..] if !self.modules[module].names.contains_key(first) => self.definitions(module, path),
            _ => Vec::new(),
        }
    }

    /// A macro is in scope below its definition, in child modules, too, without being imported.
    pub(crate) fn macro_definition(&self, module: usize, name: &str) -> Option<Definition<'_>> {
        let around = std::iter::successors(Some(module), |module| self.modules[*module].parent);
        let is_here = |module: &usize| {
            self.modules[*module].names.get(name).is_some_and(|means| means.contains(&Meaning::Macro))
        };
        around.into_iter().find(is_here).map(|module| self.definition(module, name))
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

    fn resolve(&self, module: usize, path: &[String], open: &mut Open) -> Vec<Target> {
        let Some((first, mut rest)) = path.split_first() else { return Vec::new() };
        let mut targets = match first.as_str() {
            "crate" => vec![Target::Module(0)],
            "self" => vec![Target::Module(module)],
            "super" => {
                let mut at = self.modules[module].parent;
                while let Some((_, further)) = rest.split_first().filter(|(next, _)| *next == "super") {
                    (at, rest) = (at.and_then(|module| self.modules[module].parent), further);
                }
                at.map(Target::Module).into_iter().collect()
            }
            name => self.lookup(module, name, open),
        };
        for name in rest {
            let step = |target| match target {
                Target::Module(module) => self.lookup(module, name, open),
                Target::Item { can_go_on: true, .. } => vec![target],
                Target::Item { .. } => Vec::new(),
            };
            targets = targets.into_iter().flat_map(step).collect();
        }
        targets
    }

    fn lookup(&self, module: usize, name: &str, open: &mut Open) -> Vec<Target> {
        let item = |can_go_on| vec![Target::Item { module, name: name.to_owned(), can_go_on }];
        let meanings = self.modules[module].names.get(name).into_iter().flatten();
        let targets: Vec<Target> = meanings
            .flat_map(|meaning| match meaning {
                Meaning::Module(child) => vec![Target::Module(*child)],
                Meaning::Type => item(true),
                Meaning::Value | Meaning::Macro => item(false),
                Meaning::Import(path) => self.follow(module, path, name, open),
            })
            .collect();
        if !targets.is_empty() {
            return targets;
        }
        let globs = self.modules[module].globs.iter();
        globs.flat_map(|path| self.follow_glob(module, path, name, open)).collect()
    }

    /// What `name` means by way of the import of `path`.
    fn follow(&self, module: usize, path: &[String], name: &str, open: &mut Open) -> Vec<Target> {
        Self::once((module, name.to_owned(), path.to_vec()), open, |open| self.resolve(module, path, open))
    }

    /// What `name` means by way of the import of all that is in `path`.
    fn follow_glob(&self, module: usize, path: &[String], name: &str, open: &mut Open) -> Vec<Target> {
        Self::once((module, name.to_owned(), path.to_vec()), open, |open| {
            let within = self.resolve(module, path, open);
            let lookup = |target| match target {
                Target::Module(module) => self.lookup(module, name, open),
                Target::Item { .. } => Vec::new(),
            };
            within.into_iter().flat_map(lookup).collect()
        })
    }

    /// Nothing when the same import is being followed for the same name already.
    fn once(step: Step, open: &mut Open, go: impl FnOnce(&mut Open) -> Vec<Target>) -> Vec<Target> {
        if open.contains(&step) {
            return Vec::new();
        }
        open.push(step);
        let targets = go(open);
        open.pop();
        targets
    }
}
