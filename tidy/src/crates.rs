//! Checks that packages depend on each other in one direction only.
//!
//! The order is `core ← store ← services ← cli`: a package may use the packages to its left. The packages
//! `oasis-canon`, `oasis-service` and `oasis-identity` have the same place as `oasis-store`, but
//! `oasis-identity` may use `oasis-service`. The check reads the dependency tables of each `Cargo.toml`. The
//! folder of a package determines which packages the package may use.

use crate::finding::Finding;
use crate::tree::Tree;

/// A package of this repository.
struct Package<'a> {
    manifest: &'a str,
    folder: &'a str,
    name: &'a str,
    /// The names in the dependency tables. The flag is true if only tests use the dependency.
    dependencies: Vec<(&'a str, bool)>,
}

/// A place in the dependency order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Core,
    Canon,
    Store,
    Service,
    Identity,
    /// The package that runs a private PostgreSQL. It uses no other package of this repository.
    Postgres,
    /// The package that compares answers with their descriptions. Only tests use it.
    Contract,
    Services,
    Cli,
    /// The benchmarks of the other packages.
    Bench,
    /// The fuzz targets, and the programs that run them.
    Fuzz,
    /// `tidy` and the examples. They use no other package of this repository.
    Alone,
}

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        match folder {
            "crates/oasis-core" => Some(Self::Core),
            "crates/oasis-canon" => Some(Self::Canon),
            "crates/oasis-store" => Some(Self::Store),
            "crates/oasis-service" => Some(Self::Service),
            "crates/oasis-identity" => Some(Self::Identity),
            "crates/oasis-postgres" => Some(Self::Postgres),
            "crates/oasis-contract" => Some(Self::Contract),
            "cli" => Some(Self::Cli),
            "bench" => Some(Self::Bench),
            "crates/oasis-fuzz" | "fuzz" => Some(Self::Fuzz),
            "tidy" => Some(Self::Alone),
            folder if folder.starts_with("examples/") => Some(Self::Alone),
            folder => folder.starts_with("services/").then_some(Self::Services),
        }
    }

    /// The layers that this layer may use.
    fn allowed(self) -> &'static [Self] {
        use Layer::{Canon, Core, Fuzz, Identity, Postgres, Service, Services, Store};
        match self {
            Self::Core | Self::Postgres | Self::Alone => &[],
            Self::Canon | Self::Store | Self::Service | Self::Contract => &[Core],
            Self::Identity => &[Core, Service],
            Self::Services => &[Core, Store, Service, Identity],
            Self::Cli | Self::Bench => &[Core, Canon, Store, Service, Identity, Services, Postgres],
            Self::Fuzz => &[Core, Store, Service, Services, Fuzz],
        }
    }

    /// The layers that only the tests of this layer may use.
    fn allowed_in_tests(self) -> &'static [Self] {
        match self {
            Self::Store => &[Self::Postgres],
            Self::Services => &[Self::Postgres, Self::Contract],
            Self::Core
            | Self::Canon
            | Self::Service
            | Self::Identity
            | Self::Postgres
            | Self::Contract
            | Self::Cli
            | Self::Bench
            | Self::Fuzz
            | Self::Alone => &[],
        }
    }
}

/// Checks every manifest.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let packages: Vec<Package<'_>> = tree.texts().filter_map(|(path, text)| package(path, text)).collect();
    packages.iter().flat_map(|package| check_package(package, &packages)).collect()
}

fn check_package(package: &Package<'_>, all: &[Package<'_>]) -> Vec<Finding> {
    let Some(layer) = Layer::of(package.folder) else {
        let problem = "the package has no layer: add the folder of the package to tidy/src/crates.rs";
        return vec![Finding::new(package.manifest, problem)];
    };
    let in_workspace = package.dependencies.iter().filter_map(|(name, for_tests)| {
        // A package may depend on itself, to enable its own features for its tests.
        let dependency = all.iter().find(|other| other.name == *name && other.name != package.name)?;
        Some((dependency, Layer::of(dependency.folder)?, *for_tests))
    });
    let forbidden = in_workspace.filter(|(_, used, for_tests)| {
        let allowed_in_tests = *for_tests && layer.allowed_in_tests().contains(used);
        !layer.allowed().contains(used) && !allowed_in_tests
    });
    let report = |(dependency, _, for_tests): (&Package<'_>, Layer, bool)| {
        let what = if for_tests { "the tests depend" } else { "the package depends" };
        let problem = format!(
            "{what} on {}, which is not in a lower layer (core <- store, service <- services <- cli): \
             move the code that both packages need into a package in a lower layer",
            dependency.name
        );
        Finding::new(package.manifest, problem)
    };
    forbidden.map(report).collect()
}

/// Reads a manifest line by line. Under a heading `[…dependencies]`, each line starts with the name of a
/// dependency.
fn package<'a>(path: &'a str, text: &'a str) -> Option<Package<'a>> {
    let folder = path.strip_suffix("/Cargo.toml")?;
    let (mut table, mut name, mut dependencies) = ("", None, Vec::new());
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix('[') {
            table = heading.trim_end().trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim();
            if table == "package" && key == "name" {
                name = Some(value.trim().trim_matches('"'));
            } else if table.ends_with("dependencies") {
                let dependency = key.split('.').next().unwrap_or_default().trim_matches('"');
                dependencies.push((dependency, table.ends_with("dev-dependencies")));
            }
        }
    }
    name.map(|name| Package { manifest: path, folder, name, dependencies })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: (&str, &str) = ("crates/oasis-core/Cargo.toml", "[package]\nname = \"oasis-core\"\n");
    const POSTGRES: (&str, &str) =
        ("crates/oasis-postgres/Cargo.toml", "[package]\nname = \"oasis-postgres\"\n");

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::from_iter(files.iter().copied())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dependencies_on_lower_layers_are_allowed() {
        let feed = "[package]\nname = \"feed\"\n[dependencies]\nserde = \"1\"\noasis-core.workspace = true\n\
                    [dev-dependencies]\noasis-postgres = { workspace = true }\n";
        let cli = "[package]\nname = \"oasis\"\n[target.'cfg(unix)'.dependencies]\nfeed.workspace = true\n";
        let files = [CORE, POSTGRES, ("services/feed/Cargo.toml", feed), ("cli/Cargo.toml", cli)];
        assert_eq!(findings(&files), Vec::<String>::new());
    }

    #[test]
    fn a_package_may_depend_on_itself_for_its_tests() {
        let own = "[package]\nname = \"one\"\n[dev-dependencies]\none = { workspace = true }\n";
        assert_eq!(findings(&[("services/one/Cargo.toml", own)]), Vec::<String>::new());
    }

    #[test]
    fn dependencies_on_higher_or_equal_layers_are_found() {
        let core = "[package]\nname = \"oasis-core\"\n[dependencies]\noasis-postgres.workspace = true\n";
        let one = "[package]\nname = \"one\"\n[dependencies]\noasis-postgres.workspace = true\n";
        let two = "[package]\nname = \"two\"\n[dev-dependencies]\none.workspace = true\n";
        let found = findings(&[
            ("crates/oasis-core/Cargo.toml", core),
            POSTGRES,
            ("services/one/Cargo.toml", one),
            ("services/two/Cargo.toml", two),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("crates/oasis-core/Cargo.toml: the package depends on oasis-postgres"));
        assert!(found[1].starts_with("services/one/Cargo.toml: the package depends on oasis-postgres"));
        assert!(found[2].starts_with("services/two/Cargo.toml: the tests depend on one"));
    }

    #[test]
    fn a_package_without_a_layer_is_found() {
        let found = findings(&[("crates/oasis-utils/Cargo.toml", "[package]\nname = \"oasis-utils\"\n")]);
        assert!(found[0].contains("to tidy/src/crates.rs"), "{found:?}");
    }
}
