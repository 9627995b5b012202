//! Tests the check on small crates.

use super::*;

const MANIFEST: (&str, &str) = ("Cargo.toml", "");

/// The findings in a crate that consists of `files`. The root of the crate is `src/lib.rs`.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::from_iter(files.iter().copied().chain([MANIFEST]));
    check(&tree).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_clean(files: &[(&str, &str)]) {
    assert_eq!(findings(files), Vec::<String>::new());
}

#[track_caller]
fn assert_finding(files: &[(&str, &str)], parts: &[&str]) {
    let found = findings(files);
    assert_eq!(found.len(), 1, "{found:?}");
    for part in parts {
        assert!(found[0].contains(part), "{part} is not in {}", found[0]);
    }
}

#[test]
fn files_without_a_cycle_are_accepted() {
    assert_clean(&[
        ("src/lib.rs", "mod a; pub mod b; pub use a::A; pub fn run() { b::go(A) }"),
        ("src/a.rs", "pub struct A;"),
        ("src/b.rs", "use crate::a::A; use std::fmt; pub fn go(_: A) -> fmt::Result { Ok(()) }"),
    ]);
}

#[test]
fn a_cycle_is_found_and_the_used_names_are_listed() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "pub struct B(crate::c::C);"),
        ("src/c.rs", "pub struct C; impl C { fn a(&self) -> Option<super::a::A> { None } }"),
    ];
    let parts =
        ["a dependency cycle", "a.rs uses `B` from src/b.rs", "b.rs uses `C` from", "c.rs uses `A` from"];
    assert_finding(&files, &parts);
}

#[test]
fn the_use_of_a_name_from_a_file_above_is_found() {
    let lib = "mod a; pub struct Config;";
    assert_finding(
        &[("src/lib.rs", lib), ("src/a.rs", "use crate::Config;")],
        &["src/a.rs: ", "`Config` from src/lib.rs"],
    );
    assert_finding(
        &[("src/lib.rs", lib), ("src/a.rs", "fn f(_: super::Config) {}")],
        &["`Config`", "above this file"],
    );
    let nested = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod b; const LIMIT: usize = 1;"),
        ("src/a/b.rs", "mod c;"),
        ("src/a/b/c.rs", "fn f() -> usize { super::super::LIMIT }"),
    ];
    assert_finding(&nested, &["src/a/b/c.rs: ", "`LIMIT` from src/a.rs"]);
    let folder =
        [("src/lib.rs", "mod a;"), ("src/a/mod.rs", "mod b; fn f() {}"), ("src/a/b.rs", "use super::f;")];
    assert_finding(&folder, &["src/a/b.rs: ", "`f` from src/a/mod.rs"]);
}

#[test]
fn a_path_through_a_re_export_is_a_dependency_on_the_file_that_defines_the_name() {
    assert_clean(&[
        ("src/lib.rs", "mod a; mod b; pub use b::{B as Renamed, make};"),
        ("src/a.rs", "use crate::Renamed; fn f() -> Renamed { crate::make() }"),
        ("src/b.rs", "pub struct B; pub fn make() -> B { B }"),
    ]);
    let upwards = [
        ("src/lib.rs", "mod a; mod up; pub struct Config;"),
        ("src/up.rs", "mod below; pub use crate::a::Thing;"),
        ("src/up/below.rs", "use super::Thing; fn f(_: Thing) {}"),
        ("src/a.rs", "pub use crate::Config as Thing;"),
    ];
    let found = findings(&upwards);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(|finding| finding.contains("uses `Config` from src/lib.rs")), "{found:?}");
    let cycle = [
        ("src/lib.rs", "mod a; mod b; mod facade;"),
        ("src/facade.rs", "pub use crate::a::A;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "pub struct B(Option<crate::facade::A>);"),
    ];
    assert_finding(&cycle, &["src/a.rs uses `B` from src/b.rs", "src/b.rs uses `A` from src/a.rs"]);
}

#[test]
fn a_glob_import_is_a_dependency_only_if_its_names_are_used() {
    let used = ("src/a.rs", "use super::*; fn f(_: Config) {}");
    assert_finding(&[("src/lib.rs", "mod a; struct Config;"), used], &["`Config` from src/lib.rs"]);
    assert_clean(&[("src/lib.rs", "mod a; mod b; use b::*;"), used, ("src/b.rs", "pub struct Config;")]);
    assert_clean(&[("src/lib.rs", "mod a; struct Other;"), used]);
    let variants = ("src/a.rs", "use crate::Kind::*; fn f() { g(First) }");
    assert_finding(&[("src/lib.rs", "mod a; enum Kind { First }"), variants], &["`Kind` from src/lib.rs"]);
}

#[test]
fn a_name_can_be_both_a_module_and_a_function() {
    assert_clean(&[
        ("src/lib.rs", "mod serve; mod state; pub use serve::serve; fn f() { serve() }"),
        ("src/serve.rs", "use crate::state::State; pub fn serve() {} pub struct Server;"),
        ("src/state.rs", "pub struct State;"),
    ]);
    let cycle = [
        ("src/lib.rs", "mod serve; mod state; pub use serve::serve;"),
        ("src/serve.rs", "use crate::state::State; pub fn serve() {} pub struct Server;"),
        ("src/state.rs", "use crate::serve; pub struct State(serve::Server);"),
    ];
    assert_finding(&cycle, &["state.rs uses `Server`, `serve` from src/serve.rs"]);
}

#[test]
fn naming_a_module_is_not_a_dependency() {
    assert_clean(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::{self, B}; pub struct A(B, b::C);"),
        ("src/b.rs", "use crate::a; pub struct B; pub struct C;"),
    ]);
}

#[test]
fn uses_in_macros_and_inline_modules_are_found() {
    let lib = "macro_rules! check { () => {} } mod a;";
    assert_finding(&[("src/lib.rs", lib), ("src/a.rs", "fn f() { check!() }")], &["`check` from src/lib.rs"]);
    let exported = "#[macro_export] macro_rules! check { () => {} } use crate::b::B;";
    let using = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", exported),
        ("src/b.rs", "fn f() { crate::check!() } struct B;"),
    ];
    assert_finding(&using, &["src/a.rs uses `B` from src/b.rs", "src/b.rs uses `check` from src/a.rs"]);
    let arguments = ("src/a.rs", r#"fn f() { println!("{}", crate::limit()) }"#);
    assert_finding(&[("src/lib.rs", "mod a; fn limit() {}"), arguments], &["`limit` from src/lib.rs"]);
    let inline = ("src/a.rs", "mod inner { fn f() -> usize { super::super::LIMIT } }");
    assert_finding(&[("src/lib.rs", "mod a; const LIMIT: usize = 1;"), inline], &["src/a.rs: ", "`LIMIT`"]);
}

#[test]
fn test_code_is_ignored() {
    assert_clean(&[
        ("src/lib.rs", "mod a; struct Config; #[cfg(test)] mod a_tests;"),
        ("src/a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::Config; use super::*; }"),
        ("src/a_tests.rs", "use crate::a::A; use crate::Config;"),
        ("tests/it.rs", "use this::not_read;"),
    ]);
}

#[test]
fn a_module_with_a_path_attribute_is_read_from_that_path() {
    let lib = r#"#[path = "other/place.rs"] mod a; const LIMIT: usize = 1;"#;
    let files = [("src/lib.rs", lib), ("src/other/place.rs", "fn f() -> usize { crate::LIMIT }")];
    assert_finding(&files, &["src/other/place.rs: ", "`LIMIT` from src/lib.rs"]);
}

#[test]
fn a_missing_file_and_a_file_that_is_not_rust_are_found() {
    assert_finding(&[("src/lib.rs", "mod a;")], &["src/lib.rs: `mod a` has no file: add src/a.rs"]);
    assert_finding(&[("src/lib.rs", "fn")], &["src/lib.rs:1: this is not valid Rust"]);
}
