use super::*;

const MANIFEST: (&str, &str) = ("Cargo.toml", "");

/// The findings in a crate of these files, of which `src/lib.rs` is the root.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::from_iter(files.iter().copied().chain([MANIFEST]));
    check(&tree).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn clean(files: &[(&str, &str)]) {
    assert_eq!(findings(files), Vec::<String>::new());
}

#[track_caller]
fn one(files: &[(&str, &str)], parts: &[&str]) {
    let found = findings(files);
    assert_eq!(found.len(), 1, "{found:?}");
    for part in parts {
        assert!(found[0].contains(part), "{part} in {}", found[0]);
    }
}

#[test]
fn a_line_of_files_passes() {
    clean(&[
        ("src/lib.rs", "mod a; pub mod b; pub use a::A; pub fn run() { b::go(A) }"),
        ("src/a.rs", "pub struct A;"),
        ("src/b.rs", "use crate::a::A; use std::fmt; pub fn go(_: A) -> fmt::Result { Ok(()) }"),
    ]);
}

#[test]
fn a_circle_is_found_with_the_names_that_tie_it() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "pub struct B(crate::c::C);"),
        ("src/c.rs", "pub struct C; impl C { fn a(&self) -> Option<super::a::A> { None } }"),
    ];
    one(&files, &["a circle", "a.rs uses `B` of src/b.rs", "b.rs uses `C` of", "c.rs uses `A` of"]);
}

#[test]
fn a_name_that_is_defined_above_is_found() {
    let lib = "mod a; pub struct Config;";
    one(
        &[("src/lib.rs", lib), ("src/a.rs", "use crate::Config;")],
        &["src/a.rs: ", "`Config` of src/lib.rs"],
    );
    one(&[("src/lib.rs", lib), ("src/a.rs", "fn f(_: super::Config) {}")], &["`Config`", "above it"]);
    let nested = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod b; const LIMIT: usize = 1;"),
        ("src/a/b.rs", "mod c;"),
        ("src/a/b/c.rs", "fn f() -> usize { super::super::LIMIT }"),
    ];
    one(&nested, &["src/a/b/c.rs: ", "`LIMIT` of src/a.rs"]);
    let folder =
        [("src/lib.rs", "mod a;"), ("src/a/mod.rs", "mod b; fn f() {}"), ("src/a/b.rs", "use super::f;")];
    one(&folder, &["src/a/b.rs: ", "`f` of src/a/mod.rs"]);
}

#[test]
fn a_re_export_leads_to_the_file_that_defines_the_name() {
    clean(&[
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
    assert!(found.iter().all(|finding| finding.contains("uses `Config` of src/lib.rs")), "{found:?}");
    let circle = [
        ("src/lib.rs", "mod a; mod b; mod facade;"),
        ("src/facade.rs", "pub use crate::a::A;"),
        ("src/a.rs", "use crate::b::B; pub struct A(B);"),
        ("src/b.rs", "pub struct B(Option<crate::facade::A>);"),
    ];
    one(&circle, &["src/a.rs uses `B` of src/b.rs", "src/b.rs uses `A` of src/a.rs"]);
}

#[test]
fn globs_count_by_the_names_that_are_used() {
    let used = ("src/a.rs", "use super::*; fn f(_: Config) {}");
    one(&[("src/lib.rs", "mod a; struct Config;"), used], &["`Config` of src/lib.rs"]);
    clean(&[("src/lib.rs", "mod a; mod b; use b::*;"), used, ("src/b.rs", "pub struct Config;")]);
    clean(&[("src/lib.rs", "mod a; struct Other;"), used]);
    let variants = ("src/a.rs", "use crate::Kind::*; fn f() { g(First) }");
    one(&[("src/lib.rs", "mod a; enum Kind { First }"), variants], &["`Kind` of src/lib.rs"]);
}

#[test]
fn a_name_may_be_a_module_and_a_function() {
    clean(&[
        ("src/lib.rs", "mod serve; mod state; pub use serve::serve; fn f() { serve() }"),
        ("src/serve.rs", "use crate::state::State; pub fn serve() {} pub struct Server;"),
        ("src/state.rs", "pub struct State;"),
    ]);
    let circle = [
        ("src/lib.rs", "mod serve; mod state; pub use serve::serve;"),
        ("src/serve.rs", "use crate::state::State; pub fn serve() {} pub struct Server;"),
        ("src/state.rs", "use crate::serve; pub struct State(serve::Server);"),
    ];
    one(&circle, &["state.rs uses `Server`, `serve` of src/serve.rs"]);
}

#[test]
fn modules_by_themselves_are_no_arrows() {
    clean(&[
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::{self, B}; pub struct A(B, b::C);"),
        ("src/b.rs", "use crate::a; pub struct B; pub struct C;"),
    ]);
}

#[test]
fn macros_and_inline_modules_are_read() {
    let lib = "macro_rules! check { () => {} } mod a;";
    one(&[("src/lib.rs", lib), ("src/a.rs", "fn f() { check!() }")], &["`check` of src/lib.rs"]);
    let exported = "#[macro_export] macro_rules! check { () => {} } use crate::b::B;";
    let using = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", exported),
        ("src/b.rs", "fn f() { crate::check!() } struct B;"),
    ];
    one(&using, &["src/a.rs uses `B` of src/b.rs", "src/b.rs uses `check` of src/a.rs"]);
    let arguments = ("src/a.rs", r#"fn f() { println!("{}", crate::limit()) }"#);
    one(&[("src/lib.rs", "mod a; fn limit() {}"), arguments], &["`limit` of src/lib.rs"]);
    let inline = ("src/a.rs", "mod inner { fn f() -> usize { super::super::LIMIT } }");
    one(&[("src/lib.rs", "mod a; const LIMIT: usize = 1;"), inline], &["src/a.rs: ", "`LIMIT`"]);
}

#[test]
fn code_for_tests_is_left_out() {
    clean(&[
        ("src/lib.rs", "mod a; struct Config; #[cfg(test)] mod a_tests;"),
        ("src/a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::Config; use super::*; }"),
        ("src/a_tests.rs", "use crate::a::A; use crate::Config;"),
        ("tests/it.rs", "use this::not_read;"),
    ]);
}

#[test]
fn a_module_may_name_its_file() {
    let lib = r#"#[path = "other/place.rs"] mod a; const LIMIT: usize = 1;"#;
    let files = [("src/lib.rs", lib), ("src/other/place.rs", "fn f() -> usize { crate::LIMIT }")];
    one(&files, &["src/other/place.rs: ", "`LIMIT` of src/lib.rs"]);
}

#[test]
fn a_file_that_is_missing_or_no_rust_is_named() {
    one(&[("src/lib.rs", "mod a;")], &["src/lib.rs: `mod a` has no file: add src/a.rs"]);
    one(&[("src/lib.rs", "fn")], &["src/lib.rs:1: this is not Rust"]);
}
