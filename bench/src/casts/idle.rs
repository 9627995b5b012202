//! Counts the statements of a gateway with thousands of streams while nothing happens.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::sleep;

use super::plan::STREAM;
use crate::crowd::{Crowd, Keep, Subscription};
use crate::idle::{now, statements};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row};
use crate::stack::Stack;
use crate::tokens;

/// The maximum number of streams of a user.
const PER_USER: usize = 10;
/// The time between two renewals of the places of streams.
const RENEWAL: f64 = 10.0;

pub(super) async fn run(stack: &Stack, quick: bool, report: &mut Report) -> anyhow::Result<()> {
    let (users, window) = if quick { (20, 25) } else { (200, 125) };
    let database = stack.database("casts_idle").await?;
    let client = database.connect().await?;
    client.batch_execute(&format!("ALTER DATABASE {} SET log_statement = 'all'", database.name)).await?;
    let gateway = stack.private_gateway(&database).await?;
    let tokens = tokens::mint(users)?;
    let of_user = |token: &String| {
        let path = format!("{STREAM}?token={token}");
        vec![Subscription { path, keep: Keep::Count }; PER_USER]
    };
    let crowd = Crowd::connect(gateway.address, tokens.iter().flat_map(of_user).collect()).await?;
    let streams = users * PER_USER;
    // After this pause, the gateway has sent all statements that the new clients need.
    sleep(Duration::from_secs(2)).await;
    let from = now()?;
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    sleep(Duration::from_secs(window)).await;
    let to = now()?;
    let cpu = meter.text();
    let open = streams - crowd.closed();
    ensure!(open == streams, "{open} of {streams} streams are open");
    let log = fs::read_to_string(stack.log()).context("reading PostgreSQL's log")?;
    let all = statements(&log, database.name);
    let during: Vec<_> = all.iter().filter(|sent| (from..to).contains(&sent.at)).collect();
    let renewals = during.iter().filter(|sent| sent.text.contains("oasis_places_renew")).count();
    report.row(
        Row::single(
            format!("number of statements in {window} s that keep the places of {streams} idle streams"),
            "",
            renewals as f64,
        )
        .bar(Bar::AtMost((window as f64 / RENEWAL).ceil()))
        .cpu(cpu),
    );
    report.row(Row::single(
        format!("number of all other statements of the gateway in {window} s"),
        "",
        (during.len() - renewals) as f64,
    ));
    ensure!(renewals > 0, "the gateway has renewed no places");
    drop(crowd);
    report.notes(gateway.stop().await?);
    Ok(())
}
