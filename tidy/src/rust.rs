//! The arrows between the files of each Rust crate point one way.
//!
//! A file has an arrow to another when it uses a name that the other defines: in a `use`, in a path within
//! an expression, a type, a pattern, an attribute or the arguments of a macro. A path that goes through a
//! re-export counts as an arrow to the file that defines the name, so `use crate::X` is harmless where
//! `lib.rs` only re-exports `X`. Declaring a module is not an arrow, and neither is naming the module
//! itself. Methods are not followed: an arrow comes from the name of a type, not from its use.
//!
//! - No file uses a name that is defined above it: in the `mod.rs`, `lib.rs` or `main.rs`, or in the `x.rs`
//!   of `x/y.rs`, that declares its module, or one that declares that. A parent may use its children.
//! - The other arrows form no circle.
//!
//! Code for tests is left out: `#[cfg(test)]`, files in `tests/`. The roots are `src/lib.rs` and
//! `src/main.rs` of each folder with a `Cargo.toml`.

mod module;
mod modules;
mod named;
mod resolve;

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::graph::Graph;
use crate::tree::Tree;
use modules::Crate;

/// Checks every crate.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let folders = tree.paths().filter_map(|path| path.strip_suffix("Cargo.toml"));
    let roots = folders.flat_map(|folder| ["lib.rs", "main.rs"].map(|file| format!("{folder}src/{file}")));
    let roots: Vec<String> = roots.filter(|root| tree.has(root)).collect();
    roots.iter().flat_map(|root| check_crate(tree, root)).collect()
}

fn check_crate(tree: &Tree, root: &str) -> Vec<Finding> {
    let krate = match Crate::read(tree, root) {
        Ok(krate) => krate,
        Err(finding) => return vec![finding],
    };
    let mut graph = Graph::default();
    let mut above: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (id, module) in krate.modules.iter().enumerate() {
        above.extend(krate.files_above(id).into_iter().map(|file| (module.file.as_str(), file)));
        for definition in arrows(&krate, id) {
            graph.add(&module.file, definition.file, &definition.name);
        }
    }
    let mut findings = Vec::new();
    for (from, to, names) in graph.arrows().filter(|(from, to, _)| above.contains(&(*from, *to))) {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let problem = format!(
            "uses {} of {to}, which is above it: move what both need into a file below",
            names.join(", ")
        );
        findings.push(Finding::new(from, problem));
    }
    // They have been reported.
    for (from, to) in above {
        graph.remove(from, to);
    }
    for circle in graph.circles() {
        let problem = format!(
            "the file is part of a circle: move what its files share into one below them{}",
            graph.describe(&circle)
        );
        findings.push(Finding::new(circle[0], problem));
    }
    findings
}

/// What the module `id` names and does not define itself, or does: [`Graph::add`] tells them apart.
fn arrows(krate: &Crate, id: usize) -> Vec<resolve::Definition<'_>> {
    let module = &krate.modules[id];
    let mut definitions: Vec<_> = module.used.iter().flat_map(|path| krate.definitions(id, path)).collect();
    // A glob of a module counts by the names that are used; one of an enum is a use of the enum.
    definitions.extend(module.globs.iter().flat_map(|path| krate.definitions(id, path)));
    for named in &module.named {
        let path = &named.segments;
        definitions.extend(match path.as_slice() {
            [name] if named.is_macro => krate.macro_definition(id, name).into_iter().collect(),
            [_] => krate.definitions_through_globs(id, path),
            _ => krate.definitions(id, path),
        });
    }
    definitions
}

#[cfg(test)]
mod tests;
