//! A query-string parser that refuses unknown parameters. Otherwise, a typo in a filter would return
//! unfiltered data.

use crate::ApiError;

/// The parameters of a request. The route allows each parameter, and each parameter is given at most once.
#[derive(Debug, Default)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses the part after `?`. `+` stands for a space, and a parameter without `=` has an empty value.
    ///
    /// # Errors
    /// 400 `bad_parameter` if a parameter is not in `allowed`, is given twice, or is not percent-encoded
    /// UTF-8. The message names the parameter.
    pub fn parse(query: Option<&str>, allowed: &[&'static str]) -> Result<Self, ApiError> {
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let sent =
                decode(raw_name).ok_or_else(|| bad(raw_name, "is not percent-encoded UTF-8", allowed))?;
            let Some(name) = allowed.iter().copied().find(|name| *name == sent) else {
                return Err(bad(&sent, "is unknown", allowed));
            };
            if parameters.iter().any(|(present, _)| *present == name) {
                return Err(bad(name, "is given more than once", allowed));
            }
            let value =
                decode(raw_value).ok_or_else(|| bad(name, "is not percent-encoded UTF-8", allowed))?;
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of the parameter `name`. `Some("")` if the parameter is given without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(present, _)| *present == name).map(|(_, value)| value.as_str())
    }

    /// The parameters in the order of the query.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn bad(name: &str, problem: &str, allowed: &[&str]) -> ApiError {
    let shown: String = name.chars().take(64).collect();
    let error = ApiError::bad_request("bad_parameter", format!("parameter `{shown}` {problem}"));
    match allowed {
        [] => error.hint("this path accepts no parameters"),
        _ => error.hint(format!("this path accepts {}", allowed.join(", "))),
    }
}

/// Decodes a name or a value. `None` for a `%` without two hex digits, and for bytes that are not UTF-8. Most
/// decoders accept such input.
fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (hex(*rest.next()?)? << 4) | hex(*rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    // The value of a hex digit is below 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOWED: &[&str] = &["vtid", "limit"];

    fn refused(query: &str) -> String {
        let error = Query::parse(Some(query), ALLOWED).unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (400, "bad_parameter"));
        error.message().to_owned()
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse(Some("vtid=DEV%2DX+1%C3%A9&limit&"), ALLOWED).unwrap();
        assert_eq!(query.get("vtid"), Some("DEV-X 1é"));
        assert_eq!(query.get("limit"), Some(""));
        assert_eq!(query.get("other"), None);
        assert_eq!(query.iter().count(), 2);
        assert!(Query::parse(None, &[]).is_ok());
        assert_eq!(Query::parse(Some("vtid=a=b"), ALLOWED).unwrap().get("vtid"), Some("a=b"));
    }

    #[test]
    fn errors_name_the_refused_parameter() {
        assert_eq!(refused("limt=5"), "parameter `limt` is unknown");
        assert_eq!(refused("limit=5&vtid=x&limit=5"), "parameter `limit` is given more than once");
        assert_eq!(refused("limit=5&l%69mit=6"), "parameter `limit` is given more than once");
        for broken in ["limit=%", "limit=%4", "limit=%zz", "limit=%ff", "limit=%+1"] {
            assert_eq!(refused(broken), "parameter `limit` is not percent-encoded UTF-8");
        }
        assert_eq!(refused("=x"), "parameter `` is unknown");
        assert!(refused(&"n".repeat(5000)).len() < 100);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _ = Query::parse(Some(&text), ALLOWED);
        }

        #[test]
        fn an_encoded_value_decodes_to_the_original(value in "\\PC*") {
            let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let query = Query::parse(Some(&format!("vtid={encoded}")), ALLOWED).unwrap();
            prop_assert_eq!(query.get("vtid"), Some(value.as_str()));
        }
    }
}
