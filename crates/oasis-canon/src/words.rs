//! The grammar of names: capital words, and kebab-case.

use oasis_core::Layer;

/// Whether `name` consists of at least two words of capitals and digits, joined by hyphens:
/// `[A-Z0-9]+(-[A-Z0-9]+)+`.
pub(crate) fn is_canonical(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    name.contains('-') && name.split('-').all(is_word)
}

/// Whether a canonical name is LAYER-MODULE-ACTION: at least three words, and the first is a layer.
pub(crate) fn has_layer_module_action(name: &str) -> bool {
    let mut words = name.split('-');
    words.next().is_some_and(|word| Layer::parse(word).is_ok()) && words.count() >= 2
}

/// The canonical form of `name`: capitals, with a hyphen for each run of other characters. `None` if a letter
/// outside of ASCII would be lost, or if the result has fewer than two words.
pub(crate) fn canonical(name: &str) -> Option<String> {
    if name.chars().any(|c| c.is_alphanumeric() && !c.is_ascii()) {
        return None;
    }
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined = words.map(str::to_ascii_uppercase).collect::<Vec<_>>().join("-");
    is_canonical(&joined).then_some(joined)
}

/// Whether the name of a file or folder is kebab-case: lower-case words joined by hyphens, then extensions.
pub(crate) fn is_kebab(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let name = name.strip_prefix('.').unwrap_or(name);
    name.split('.').all(|part| part.split('-').all(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_names_have_two_words() {
        for name in ["CICDL-GATEWAY-DEPLOY", "A-B", "1-2", "X9-Y"] {
            assert!(is_canonical(name), "{name}");
        }
        for name in ["", "CI", "Ci-CD", "A--B", "-A-B", "A-B-", "A B", "A_B-C", "Ä-B"] {
            assert!(!is_canonical(name), "{name}");
        }
        assert!(has_layer_module_action("CICDL-GATEWAY-DEPLOY"));
        assert!(!has_layer_module_action("CICDL-DEPLOY"));
        assert!(!has_layer_module_action("1-GATEWAY-DEPLOY"));
    }

    #[test]
    fn a_name_becomes_canonical_only_if_nothing_is_lost() {
        for (name, expected) in [
            ("Deploy gateway", Some("DEPLOY-GATEWAY")),
            ("🚀 Build & Test", Some("BUILD-TEST")),
            ("deploy_gateway.v2", Some("DEPLOY-GATEWAY-V2")),
            ("ci", None),
            ("Prüfe alles", None),
            ("", None),
        ] {
            assert_eq!(canonical(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn kebab_case_allows_extensions_and_a_leading_dot() {
        for name in ["gateway-v1.yml", "deploy-watcher", ".gitkeep", "a1"] {
            assert!(is_kebab(name), "{name}");
        }
        for name in ["Gateway", "deploy_watcher", "a--b", "a-", "README.md", ""] {
            assert!(!is_kebab(name), "{name}");
        }
    }
}
