//! Counts the runs that a client never sees start, because the process that serves its stream was killed. The
//! client resumes after its last frame.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;

use super::plan::Plan;
use super::sides::{Side, Source};
use crate::delivery::{Deliveries, Delivery, Request};
use crate::http::Connection;
use crate::peers::nats::Nats;
use crate::report::{Bar, Report, Row};
use crate::stack::Stack;

const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// After this time without a frame, the client has got all that it will get.
const QUIET: Duration = Duration::from_secs(3);

pub(super) async fn run(
    stack: &Stack,
    nats: Result<&Nats, &String>,
    plan: &Plan,
    report: &mut Report,
) -> anyhow::Result<()> {
    let each = plan.killed;
    let database = stack.database("casts_kill").await?;
    let what = format!("runs of {} that the client never sees start, after a kill", 3 * each);
    let ours = lost(stack, Source::Ours(&database), each, report).await?;
    report.row(Row::single(&what, "", ours as f64).bar(Bar::AtMost(0.0)));
    if let Ok(nats) = nats {
        let theirs = lost(stack, Source::Theirs(nats, Some(&database)), each, report).await?;
        report.row(Row::single(format!("{}: {what}", Nats::NAME), "", theirs as f64));
    }
    report.note(format!(
        "kill: {each} runs start, the process with the streams is killed (SIGKILL), {each} runs start, the \
         process is started again, the client resumes after its last frame, and {each} runs start"
    ));
    Ok(())
}

async fn lost(stack: &Stack, source: Source<'_>, each: usize, report: &mut Report) -> anyhow::Result<usize> {
    let all = 3 * each;
    let side = Side::start(stack, source, all).await?;
    let mut feed = side.follow(all).await?;
    let mut deliveries = Deliveries::of_starts()?;
    let mut connection = Connection::open(side.webhooks.address).await?;
    let mut request = deliveries.request(side.webhooks.address);
    let signed = deliveries.sign(all);
    let parts: Vec<&[Delivery]> = signed.chunks(each).collect();
    let mut seen = BTreeSet::new();
    for delivery in parts[0] {
        send(&mut connection, &mut request, delivery).await?;
        seen.insert(feed.next(ARRIVES_WITHIN).await?.0);
    }
    let killed = side.kill()?;
    for delivery in parts[1] {
        send(&mut connection, &mut request, delivery).await?;
    }
    let side = killed.restart().await?;
    let mut feed = side.resume(seen.last().copied().unwrap_or_default()).await?;
    for delivery in parts[2] {
        send(&mut connection, &mut request, delivery).await?;
    }
    while let Ok((id, _)) = feed.next(QUIET).await {
        seen.insert(id);
    }
    report.notes(side.stop().await?);
    Ok(all - seen.len().min(all))
}

async fn send(connection: &mut Connection, request: &mut Request, delivery: &Delivery) -> anyhow::Result<()> {
    let answer = connection.exchange(request.of(delivery)).await?;
    ensure!(answer.status == 200, "the webhook was answered {}: {}", answer.status, answer.body);
    Ok(())
}
