//! Checks that the files of each Rust crate depend on each other in one direction.
//!
//! A file depends on another file if it uses a name that the other file defines. The name may be in a `use`,
//! or in a path within an expression, a type, a pattern, an attribute or the arguments of a macro. A path
//! through a re-export is a dependency on the file that defines the name. Declaring or naming a module is not
//! a dependency. Naming a type is a dependency, but calling a method of a type is not.
//!
//! - No file may use a name that a file above it defines. The file that declares a module is above the file
//!   of that module. For example, `lib.rs` and `x.rs` are above `x/y.rs`.
//! - The other dependencies must not form a cycle.
//!
//! So a file may use `crate::X` if `lib.rs` only re-exports `X`, but not if `lib.rs` defines `X`. Code under
//! `#[cfg(test)]` and files in `tests/` are not checked. The root of a crate is `src/lib.rs` or `src/main.rs`
//! in a folder with a `Cargo.toml`.

mod mentions;
mod module;
mod modules;
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
        for definition in used_definitions(&krate, id) {
            graph.add(&module.file, definition.file, &definition.name);
        }
    }
    let mut findings = Vec::new();
    for (from, to, names) in graph.edges().filter(|(from, to, _)| above.contains(&(*from, *to))) {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let problem = format!(
            "uses {} from {to}, which is above this file: move the items that both files use into a new file \
             below these two files",
            names.join(", ")
        );
        findings.push(Finding::new(from, problem));
    }
    // The edges to files above have already been reported.
    for (from, to) in above {
        graph.remove(from, to);
    }
    for cycle in graph.cycles() {
        let problem = format!(
            "this file is part of a dependency cycle: move the items that the files of the cycle share \
             into a new file that all files of the cycle can use{}",
            graph.describe(&cycle)
        );
        findings.push(Finding::new(cycle[0], problem));
    }
    findings
}

/// Returns the definitions that the module `id` uses. [`Graph::add`] ignores the definitions in the module's
/// own file.
fn used_definitions(krate: &Crate, id: usize) -> Vec<resolve::Definition<'_>> {
    let module = &krate.modules[id];
    let mut definitions: Vec<_> =
        module.imported.iter().flat_map(|path| krate.definitions(id, path)).collect();
    // A glob import of an enum counts as a use of the enum. A glob import of a module counts as a use of the
    // names that the code mentions, and of no other names.
    definitions.extend(module.globs.iter().flat_map(|path| krate.definitions(id, path)));
    for mention in &module.mentions {
        let path = &mention.segments;
        definitions.extend(match path.as_slice() {
            [name] if mention.is_macro => krate.macro_definition(id, name).into_iter().collect(),
            [_] => krate.definitions_through_globs(id, path),
            _ => krate.definitions(id, path),
        });
    }
    definitions
}

#[cfg(test)]
mod tests;
