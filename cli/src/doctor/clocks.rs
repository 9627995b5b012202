//! Compares the clock of this machine with the clocks of the database and of the gateway.

use jiff::SignedDuration;

use super::report::{Check, Finding};

/// A smaller difference has no visible effect. A gateway reports its clock only to the second.
const TOLERATED: SignedDuration = SignedDuration::from_secs(5);

/// Judges how far the clocks of the database and of the gateway are ahead of the clock of this machine.
pub(super) fn check(database: Option<SignedDuration>, gateway: Option<SignedDuration>) -> Finding {
    let clocks = [("database", database), ("gateway", gateway)];
    let known: Vec<_> = clocks.into_iter().filter_map(|(name, ahead)| Some((name, ahead?))).collect();
    if known.is_empty() {
        let hint = "the check needs the database or the gateway";
        return Finding::warning(Check::Clocks, "not checked, because nothing answers", hint);
    }
    let differ = known.iter().any(|(_, ahead)| ahead.abs() > TOLERATED);
    let each: Vec<String> = known.iter().map(|(name, ahead)| describe(name, *ahead)).collect();
    let message = format!("compared with this machine: {}", each.join(", "));
    if differ {
        let hint = "synchronise the clocks with NTP: a wrong clock causes a wrong `ts` and wrong ages";
        Finding::warning(Check::Clocks, message, hint)
    } else {
        Finding::ok(Check::Clocks, message)
    }
}

fn describe(name: &str, ahead: SignedDuration) -> String {
    let direction = if ahead.is_negative() { "behind" } else { "ahead" };
    match ahead.abs().as_secs_f64() {
        small if small < 1.0 => format!("{name} less than 1 s {direction}"),
        large => format!("{name} {large:.0} s {direction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn clocks_that_differ_by_more_than_a_few_seconds_are_reported() {
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        let near = check(Some(SignedDuration::from_millis(-20)), seconds(1));
        assert_eq!(near.verdict, Verdict::Ok);
        assert!(near.message.ends_with("database less than 1 s behind, gateway 1 s ahead"), "{near:?}");
        let far = check(seconds(-70), None);
        assert_eq!(far.verdict, Verdict::Warning);
        assert!(far.message.ends_with("database 70 s behind"), "{far:?}");
        assert_eq!(check(None, None).verdict, Verdict::Warning);
    }
}
