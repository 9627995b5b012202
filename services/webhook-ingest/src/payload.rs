//! Extracts the JSON from the body of a delivery. The body is JSON, or a form with a `payload` field. A hook
//! sends a form if it was created through the API without a content type.

use std::borrow::Cow;

/// The reason why no JSON can be extracted from a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPayload {
    /// The content type is missing, or is neither JSON nor a form.
    #[error("the content type is neither application/json nor application/x-www-form-urlencoded")]
    ContentType,
    /// The form has no `payload` field.
    #[error("the form has no payload field")]
    Field,
}

/// Returns the JSON in `body`. The content type may have parameters.
///
/// # Errors
/// When the content type is neither JSON nor a form, or the form has no `payload` field.
pub fn json<'b>(content_type: Option<&str>, body: &'b [u8]) -> Result<Cow<'b, [u8]>, NoPayload> {
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    let is = |known: &str| media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case(known));
    if is("application/json") {
        return Ok(Cow::Borrowed(body));
    }
    if !is("application/x-www-form-urlencoded") {
        return Err(NoPayload::ContentType);
    }
    let field = form_urlencoded::parse(body).find(|(key, _)| key == "payload");
    match field.ok_or(NoPayload::Field)?.1 {
        Cow::Borrowed(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Cow::Owned(text) => Ok(Cow::Owned(text.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_as_is_and_a_form_is_decoded() {
        for content_type in ["application/json", "Application/JSON ; charset=utf-8"] {
            assert_eq!(json(Some(content_type), b"{}").as_deref(), Ok(&b"{}"[..]));
        }
        let form = "application/x-www-form-urlencoded";
        let body = b"a=1&payload=%7B%22a%22%3A+%22%C3%A9%2B%22%7D";
        assert_eq!(json(Some(form), body).as_deref(), Ok("{\"a\": \"é+\"}".as_bytes()));
        assert_eq!(json(Some(form), b"{}"), Err(NoPayload::Field));
        assert_eq!(json(Some(form), b""), Err(NoPayload::Field));
        for other in [None, Some(""), Some("text/plain"), Some("application/jsonx"), Some("application")] {
            assert_eq!(json(other, b"{}"), Err(NoPayload::ContentType));
        }
    }
}
