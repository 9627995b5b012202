//! Checks the database: whether it can be reached, what it lacks, and whether LISTEN works.

use std::time::Duration;

use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use oasis_core::{Channel, Source};
use oasis_service::args::parse_from;
use oasis_store::{DatabaseArgs, DatabaseUrl, Filter, Need, Order, PageQuery, ServerFacts, Store, Update};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::report::{Check, Finding};
use super::setup::{Setting, Setup};

const NAME: &str = "oasis doctor";
/// The time limit for the test of LISTEN. The tail gives up after 2 s and polls.
const LISTEN_WITHIN: Duration = Duration::from_secs(10);

/// What to do about a gateway that polls.
pub(super) const POLLS: &str = "docs/database.md, section Poolers, standbys and subscribers, has the causes";

/// The facts about the database.
pub(super) enum Database {
    /// The database was not examined, for this reason.
    NotExamined(Finding),
    /// The database was examined.
    Examined(Box<Examined>),
}

pub(super) struct Examined {
    /// The variable or the file that gave the URL.
    by: String,
    facts: Result<Known, String>,
    /// What the database lacks, if the database answers.
    reasons: Vec<String>,
    /// Why a gateway would poll the table, or `Ok(None)` if notifications arrive. `None` if the table cannot
    /// be read.
    listening: Option<Result<Option<String>, String>>,
    /// When the newest event from GitHub was recorded, if the table can be read.
    last_delivery: Option<Option<Timestamp>>,
}

/// What the server reports about itself.
struct Known {
    server: ServerFacts,
    clock_ahead: SignedDuration,
}

/// The settings of the database, from the variables that every service reads.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Database {
    /// Examines the database that `setup` names.
    pub(super) async fn examine(setup: &Setup) -> Self {
        match settings(&setup.database_url) {
            Ok((database, by)) => Self::Examined(Box::new(examine(database, by).await)),
            Err(finding) => Self::NotExamined(finding),
        }
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        match self {
            Self::NotExamined(finding) => vec![finding.clone()],
            Self::Examined(examined) => examined.findings(),
        }
    }

    fn examined(&self) -> Option<&Examined> {
        match self {
            Self::NotExamined(_) => None,
            Self::Examined(examined) => Some(examined),
        }
    }

    /// How far the clock of the database is ahead of the clock of this machine.
    pub(super) fn clock_ahead(&self) -> Option<SignedDuration> {
        Some(self.examined()?.facts.as_ref().ok()?.clock_ahead)
    }

    /// When the newest event from GitHub was recorded. `None` if the table cannot be read. `Some(None)` if
    /// there is no such event.
    pub(super) fn last_delivery(&self) -> Option<Option<Timestamp>> {
        self.examined()?.last_delivery
    }
}

/// The settings of the database, and the variable or the file that gave its URL.
fn settings(url: &Setting) -> Result<(DatabaseArgs, String), Finding> {
    let problem = |message: String, hint: &str| Finding::problem(Check::Database, message, hint);
    let correct = "correct the variable; docs/database.md, section URLs, has examples";
    let (value, by) = match url {
        Setting::Given { value, by } => (value.expose(), by),
        Setting::Unreadable(why) => {
            return Err(problem(why.clone(), "correct the file or its permissions, or set DATABASE_URL"));
        }
        Setting::Missing => {
            return Err(Finding::warning(
                Check::Database,
                "not checked: DATABASE_URL is not set, and no `oasis up` ran in this folder",
                "start everything with `oasis up`, or set DATABASE_URL to the database of the services",
            ));
        }
    };
    value.parse::<DatabaseUrl>().map_err(|error| problem(format!("{by}: {error}"), correct))?;
    let mut argv = vec![NAME.to_owned(), format!("--database-url={value}")];
    if by != "DATABASE_URL" {
        // LISTEN_DATABASE_URL from the environment does not belong to the database of `oasis up`.
        argv.push("--listen-database-url=".to_owned());
    }
    let settings: Settings = parse_from(argv).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        problem(first.trim_start_matches("error: ").to_owned(), correct)
    })?;
    Ok((settings.database, by.clone()))
}

async fn examine(database: DatabaseArgs, by: String) -> Examined {
    let mut examined =
        Examined { by, facts: Err(String::new()), reasons: Vec::new(), listening: None, last_delivery: None };
    let store = match Store::new(database, NAME) {
        Ok(store) => store,
        Err(error) => return Examined { facts: Err(error.to_string()), ..examined },
    };
    let asked = Timestamp::now();
    examined.facts = match store.server_facts().await {
        Ok(server) => Ok(Known { clock_ahead: ahead(server.clock, asked, Timestamp::now()), server }),
        Err(error) => Err(error.to_string()),
    };
    if examined.facts.is_err() {
        return examined;
    }
    examined.reasons = store.check(Need::ReadWrite).await;
    if store.check(Need::Read).await.is_empty() {
        examined.listening = Some(polls(&store).await);
        examined.last_delivery = newest_delivery(&store).await;
    }
    examined
}

/// How far a clock is ahead. The clock showed `shown` at a moment between `asked` and `answered`.
fn ahead(shown: Timestamp, asked: Timestamp, answered: Timestamp) -> SignedDuration {
    shown.duration_since(asked + answered.duration_since(asked) / 2)
}

/// Why a tail polls the table. `None` if notifications arrive. A tail tests this before it follows the table.
async fn polls(store: &Store) -> Result<Option<String>, String> {
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let follow = store.tail().run(move |update| {
        let outcome = match update {
            Update::Up { polls } => Ok(polls.map(|why| why.to_string())),
            Update::Down(why) => Err(why),
            Update::Start { .. } | Update::Events(_) | Update::Pruned(_) => return,
        };
        // Only the first outcome is sent. The receiver waits for it.
        let _ = tell.take().map(|tell| tell.send(outcome));
    });
    let first = async {
        tokio::select! {
            outcome = told => outcome.ok(),
            () = follow => None,
        }
    };
    let late = || Err(format!("the test of LISTEN took more than {} s", LISTEN_WITHIN.as_secs()));
    timeout(LISTEN_WITHIN, first).await.ok().flatten().unwrap_or_else(late)
}

/// When the newest event from GitHub was recorded. `None` if the table cannot be read.
async fn newest_delivery(store: &Store) -> Option<Option<Timestamp>> {
    let mut filter = Filter::all(Channel::devhub());
    filter.source = vec![Source::GithubActions];
    let query = PageQuery::ticker(Some(&filter), Order::NewestFirst { before: None }, 1);
    let page = store.page(&query).await.ok()?;
    Some(page.events.first().map(|event| event.recorded_at))
}

impl Examined {
    fn findings(&self) -> Vec<Finding> {
        let known = match &self.facts {
            Ok(known) => known,
            Err(why) => {
                let hint = "start PostgreSQL (`oasis up` starts its own), and check the URL from ";
                let hint = format!("{hint}{}", self.by);
                return vec![Finding::problem(Check::Database, why, hint)];
            }
        };
        let mut findings: Vec<Finding> = self.reasons.iter().map(|reason| lack(reason)).collect();
        if known.server.encoding != "UTF8" {
            findings.push(Finding::problem(
                Check::Database,
                format!(
                    "the encoding is {}, but events contain text of every language",
                    known.server.encoding
                ),
                "make a database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            ));
        }
        if findings.is_empty() {
            let ServerFacts { version, encoding, schema, .. } = &known.server;
            let message =
                format!("PostgreSQL {version}, {encoding}, schema {schema}; this role may read and append");
            findings.push(Finding::ok(Check::Database, message));
        }
        findings.extend(self.listening.as_ref().map(|listening| listen(listening, &known.server)));
        findings
    }
}

fn lack(reason: &str) -> Finding {
    let hint = if reason.contains("oasis migrate") {
        "run `oasis migrate` as the owner of the tables"
    } else {
        "docs/database.md describes roles, restores, and what not to change"
    };
    Finding::problem(Check::Database, reason, hint)
}

fn listen(listening: &Result<Option<String>, String>, server: &ServerFacts) -> Finding {
    match listening {
        Ok(None) => Finding::ok(Check::Listen, "a notification arrives at once, so the feed is not delayed"),
        Ok(Some(_)) if server.is_standby => Finding::warning(
            Check::Listen,
            "a standby accepts no LISTEN, so the gateway reads the table every 2 s",
            "set LISTEN_DATABASE_URL to the primary server",
        ),
        Ok(Some(why)) => {
            Finding::warning(Check::Listen, format!("the gateway reads the table every 2 s: {why}"), POLLS)
        }
        Err(why) => Finding::problem(
            Check::Listen,
            format!("the table cannot be followed: {why}"),
            "check LISTEN_DATABASE_URL if it is set, and the log of the database",
        ),
    }
}

#[cfg(test)]
mod tests {
    use oasis_store::WhyPoll;

    use super::*;
    use crate::doctor::report::Verdict;

    fn given(value: &str) -> Setting {
        Setting::Given { value: value.to_owned().into(), by: "DATABASE_URL".to_owned() }
    }

    #[test]
    fn an_invalid_url_is_a_problem_that_shows_no_secret() {
        for (text, part) in [
            ("mysql://u:hunter2@h/d", "expected a URL such as postgres://"),
            ("postgres://u:hunter2@h/d?sslmode=maybe", "sslmode: expected disable"),
        ] {
            let finding = settings(&given(text)).unwrap_err();
            assert_eq!(finding.verdict, Verdict::Problem);
            assert!(finding.message.contains(part) && !finding.message.contains("hunter2"), "{finding:?}");
        }
        assert!(settings(&given("postgres://u@h/d")).is_ok());
        assert_eq!(settings(&Setting::Missing).unwrap_err().verdict, Verdict::Warning);
    }

    #[test]
    fn a_gateway_that_polls_is_a_warning_with_the_cause() {
        let server = |is_standby| ServerFacts {
            version: "17.5".to_owned(),
            encoding: "UTF8".to_owned(),
            schema: "V1__x".to_owned(),
            is_standby,
            clock: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(listen(&Ok(None), &server(false)).verdict, Verdict::Ok);
        let deaf = Ok(Some(WhyPoll::Deaf.to_string()));
        let pooled = listen(&deaf, &server(false));
        assert_eq!(pooled.verdict, Verdict::Warning);
        assert!(pooled.message.contains("pooler"), "{pooled:?}");
        assert!(listen(&deaf, &server(true)).message.contains("standby"));
        assert_eq!(listen(&Err("x".to_owned()), &server(false)).verdict, Verdict::Problem);
    }
}
