//! Finds the names and paths that Rust code mentions outside of `use`.
//!
//! syn parses expressions, types and patterns, but not the arguments of macros and attributes. This module
//! searches the tokens of these arguments for names that are joined by `::`. Doc comments and code under
//! `#[cfg(test)]` are ignored.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Meta};

/// A path as it is written in the code, such as `crate::error::chain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The segments without generic arguments. There is at least one segment.
    pub(crate) segments: Vec<String>,
    /// Whether the path is the name of a called macro. Macros have different scope rules.
    pub(crate) is_macro: bool,
}

/// Collects the mentioned paths, and the `use` items within functions.
#[derive(Default)]
pub(crate) struct MentionVisitor {
    pub(crate) mentions: Vec<Mention>,
    pub(crate) inner_uses: Vec<syn::ItemUse>,
}

impl MentionVisitor {
    fn add(&mut self, segments: Vec<String>, is_macro: bool) {
        self.mentions.push(Mention { segments, is_macro });
    }

    /// Adds the path that a string contains, as in `#[serde(with = "crate::time")]`.
    fn add_text(&mut self, literal: &str) {
        let text = literal.trim_matches('"');
        let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if text.split("::").all(is_name) {
            self.add(text.split("::").map(str::to_owned).collect(), false);
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream, in_attribute: bool) {
        let mut path: Vec<String> = Vec::new();
        // `colons` counts the colons since the last name. `skip` is set after a `.` or a `'`, because the
        // name that follows is not a path. `foreign` is set if the current path starts with `::`.
        let (mut colons, mut skip, mut foreign) = (0, false, false);
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 || path.is_empty() {
                        self.finish(&mut path);
                        foreign = colons == 2;
                    }
                    if !skip && !foreign {
                        path.push(name.to_string());
                    }
                    (colons, skip) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(punct) => {
                    let is_call = punct.as_char() == '!' && !path.is_empty() && colons == 0;
                    if is_call {
                        self.add(std::mem::take(&mut path), true);
                    }
                    self.finish(&mut path);
                    (colons, skip) = (0, matches!(punct.as_char(), '.' | '\''));
                }
                TokenTree::Group(group) => {
                    self.finish(&mut path);
                    self.add_tokens(group.stream(), in_attribute);
                    (colons, skip) = (0, false);
                }
                TokenTree::Literal(literal) => {
                    self.finish(&mut path);
                    if in_attribute {
                        self.add_text(&literal.to_string());
                    }
                    (colons, skip) = (0, false);
                }
            }
        }
        self.finish(&mut path);
    }

    fn finish(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.add(std::mem::take(path), false);
        }
    }
}

impl<'ast> Visit<'ast> for MentionVisitor {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        // A path that starts with `::` names another crate.
        if path.leading_colon.is_none() {
            self.add(path.segments.iter().map(|segment| segment.ident.to_string()).collect(), false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let segments = called.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(segments, true);
        self.add_tokens(called.tokens.clone(), false);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone(), true);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.inner_uses.push(item.clone());
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !is_for_tests(&local.attrs) {
            visit::visit_local(self, local);
        }
    }
}

/// Whether an item with these attributes is compiled only for tests. The attributes of such an item contain
/// `#[cfg(test)]`, or a `cfg` with `test` in an `all`.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Meta::List(list) = &attribute.meta else { return false };
        list.path.is_ident("cfg") && needs_test(list.tokens.clone())
    })
}

fn needs_test(condition: TokenStream) -> bool {
    let mut tokens = condition.into_iter();
    let Some(TokenTree::Ident(name)) = tokens.next() else { return false };
    match (name.to_string().as_str(), tokens.next()) {
        ("test", None) => true,
        ("all", Some(TokenTree::Group(group))) => {
            let mut rest = group.stream().into_iter().peekable();
            std::iter::from_fn(|| {
                rest.peek()?;
                Some(rest.by_ref().take_while(|token| !is_comma(token)).collect::<TokenStream>())
            })
            .any(needs_test)
        }
        _ => false,
    }
}

fn is_comma(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')
}

/// The attributes of an item of any kind.
pub(crate) fn attributes(item: &syn::Item) -> &[Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        // `Item` is non-exhaustive. The other variants have no attributes that can be read here.
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(source: &str) -> Vec<String> {
        let mut visitor = MentionVisitor::default();
        visitor.visit_file(&syn::parse_file(source).unwrap());
        visitor.mentions.iter().map(|mention| mention.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_types_patterns_and_expressions() {
        let source = "fn f(a: &a::A) -> Vec<b::B> { if let c::C { .. } = crate::d::d::<e::E>() {} }";
        let found = mentions(source);
        for path in ["a::A", "b::B", "c::C", "crate::d::d", "e::E"] {
            assert!(found.contains(&path.to_owned()), "{path} is not in {found:?}");
        }
    }

    #[test]
    fn paths_are_found_in_macros_and_attributes() {
        let found = mentions(
            r#"
            /// [`crate::never`]
            #[arg(value_parser = crate::args::duration)]
            #[serde(with = "crate::time", rename = "a b::c")]
            struct S;
            fn f() { log!("{}", self.x.y, a::b(c::d, 'e', &'g h::i), ::other::j); k::l!(); }
            "#,
        );
        for path in ["crate::args::duration", "crate::time", "a::b", "c::d", "h::i", "log", "k::l"] {
            assert!(found.contains(&path.to_owned()), "{path} is not in {found:?}");
        }
        for path in ["crate::never", "a b::c", "x", "y", "g", "other", "other::j", "j"] {
            assert!(!found.contains(&path.to_owned()), "{path} is in {found:?}");
        }
    }

    #[test]
    fn test_code_is_ignored() {
        let source = "#[cfg(test)] fn f() { a::b() } #[cfg(all(unix, test))] fn g() { a::c() }
            #[cfg(any(test, unix))] fn h() { a::d() } struct S { #[cfg(test)] x: a::e }";
        let found = mentions(source);
        assert!(found.contains(&"a::d".to_owned()), "{found:?}");
        assert!(!found.iter().any(|path| ["a::b", "a::c", "a::e"].contains(&path.as_str())), "{found:?}");
    }
}
