//! Reads times in the forms that tables often have.

use oasis_core::Ts;
use serde_json::Value;

/// The largest number that is read as seconds: a time in the year 5138. A larger number is in milliseconds.
const MOST_SECONDS: i64 = 100_000_000_000;

/// Normalises a time. A value that is not a time stays unchanged. A text may have a space instead of the `T`,
/// no seconds, and a short offset such as `+00`. Without an offset, a time is in UTC. A number is a Unix time
/// in seconds or milliseconds.
pub(super) fn moment(value: Value) -> Value {
    let read = match &value {
        Value::Number(number) => number.as_i64().and_then(unix),
        Value::String(text) => written(text.trim()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.map_or(value, |ts| ts.to_string().into())
}

fn unix(number: i64) -> Option<Ts> {
    let is_seconds = (-MOST_SECONDS..=MOST_SECONDS).contains(&number);
    let ms = if is_seconds { number * 1_000 } else { number };
    Ts::new(jiff::Timestamp::from_millisecond(ms).ok()?).ok()
}

fn written(text: &str) -> Option<Ts> {
    if !text.is_ascii() {
        return None;
    }
    if text.parse::<i64>().is_ok() {
        return text.parse().ok().and_then(unix);
    }
    let (day, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00"));
    let offset = time.find(['+', '-', 'Z', 'z']).map(|at| &time[at..]).unwrap_or_default();
    let offset = match offset.len() {
        // `+00`
        3 => format!("{offset}:00"),
        // `+0000`
        5 => format!("{}:{}", &offset[..3], &offset[3..]),
        0 => "Z".to_owned(),
        _ => offset.to_owned(),
    };
    let time = time.split(['+', '-', 'Z', 'z']).next().unwrap_or_default().trim_end();
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    format!("{day}T{time}{seconds}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_of_many_forms_become_the_same_time() {
        for value in [
            json!("2025-01-02T03:04:05Z"),
            json!("2025-01-02T03:04:05"),
            json!("2025-01-02 03:04:05+00"),
            json!("2025-01-02 05:04:05+0200"),
            json!(" 2025-01-02 03:04:05 "),
            json!("2025-01-02 03:04:05.000999 +00:00"),
            json!(1_735_787_045),
            json!(1_735_787_045_000_i64),
            json!("1735787045"),
        ] {
            assert_eq!(moment(value.clone()), "2025-01-02T03:04:05.000Z", "{value}");
        }
        assert_eq!(moment(json!("2025-01-02")), "2025-01-02T00:00:00.000Z");
        assert_eq!(moment(json!("2025-01-02 10:00")), "2025-01-02T10:00:00.000Z");
    }

    #[test]
    fn other_values_stay_as_they_are() {
        for value in [
            json!("infinity"),
            json!("0044-03-15T12:00:00 BC"),
            json!("yesterday"),
            json!("é+é"),
            json!("1 -€5"),
            json!(i64::MIN),
            json!(""),
            json!(1.5),
            json!(i64::MAX),
            json!({"a": 1}),
        ] {
            assert_eq!(moment(value.clone()), value);
        }
    }
}
