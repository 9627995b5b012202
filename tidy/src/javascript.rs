//! Checks that the modules of the Live Console, its client and its React package form no dependency cycle.
//!
//! A dependency is a static `import … from "./x.js"` or `export … from "./x.js"`. The code must have the
//! layout of the formatter: the statement is at the start of a line and ends with a semicolon. A type that a
//! JSDoc comment imports is not a dependency.

use crate::finding::Finding;
use crate::graph::Graph;
use crate::paths::join;
use crate::tree::Tree;

const FOLDERS: [&str; 3] = ["console/client/", "console/react/", "console/app/"];

/// Checks the folders as one graph.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut graph = Graph::default();
    let modules = tree
        .texts()
        .filter(|(path, _)| path.ends_with(".js") && FOLDERS.iter().any(|folder| path.starts_with(folder)));
    for (path, text) in modules {
        for Import { module, names } in imports(text) {
            let Some(target) = join(path, &module).filter(|target| tree.has(target)) else { continue };
            for name in names {
                graph.add(path, &target, &name);
            }
        }
    }
    let report = |cycle: Vec<&str>| {
        let problem = format!(
            "this module is part of a dependency cycle: move the items that the modules of the cycle share \
             into a new module that all modules of the cycle can use{}",
            graph.describe(&cycle)
        );
        Finding::new(cycle[0], problem)
    };
    graph.cycles().into_iter().map(report).collect()
}

struct Import {
    module: String,
    names: Vec<String>,
}

/// Finds the imports that have a relative path.
fn imports(text: &str) -> Vec<Import> {
    let starts_import = |line: &str| {
        line.starts_with("import ") || line.starts_with("export {") || line.starts_with("export *")
    };
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if starts_import(line)
            && let Some((statement, _)) = text[at..].split_once(';')
        {
            found.extend(import(statement));
        }
        at += line.len();
    }
    found
}

fn import(statement: &str) -> Option<Import> {
    let (clause, module) = match statement.rsplit_once(" from ") {
        Some((clause, module)) => (clause.get("import".len()..)?, module),
        // `import "./x.js"` imports no names.
        None => ("", statement.strip_prefix("import ")?),
    };
    let module = module.trim().strip_prefix(['"', '\''])?.strip_suffix(['"', '\''])?;
    let names = clause.split(['{', '}', ',']).map(str::trim).filter(|name| !name.is_empty());
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        names.push("side effects".to_owned());
    }
    module.starts_with('.').then(|| Import { module: module.to_owned(), names })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::from_iter(files.iter().copied())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cycle_across_both_folders_is_found() {
        let found = findings(&[
            ("console/app/main.js", "import { Feed } from \"../client/index.js\";\nimport \"./dom.js\";\n"),
            ("console/app/dom.js", "export const h = 1;\n"),
            ("console/client/index.js", "export { Feed } from \"./feed.js\";\n"),
            ("console/client/feed.js", "import {\n  start,\n  stop,\n} from \"../app/main.js\";\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("feed.js uses `start`, `stop` from console/app/main.js"), "{}", found[0]);
        assert!(found[0].contains("main.js uses `Feed` from console/client/index.js"), "{}", found[0]);
    }

    #[test]
    fn imports_of_types_and_packages_and_imports_in_other_folders_are_ignored() {
        let found = findings(&[
            ("console/app/a.js", "import { b } from \"./b.js\";\nimport { c } from \"node:c\";\n"),
            ("console/app/b.js", "/** @typedef {import(\"./a.js\").A} A */\nexport const b = 1;\n"),
            ("console/tests/c.js", "import { d } from \"./d.js\";\n"),
            ("console/tests/d.js", "import { c } from \"./c.js\";\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
