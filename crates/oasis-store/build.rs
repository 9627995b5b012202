//! Compiles the package again when a file is added to `migrations/`. `embed_migrations!` makes the compiler
//! notice changed files, but not new files.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
