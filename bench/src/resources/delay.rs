//! Measures the delay from sending an event to the arrival of its frame at a client that follows the
//! workload.

use super::plan::Plan;
use super::workloads::{Events, Workloads, posted};
use crate::posts::Posts;
use crate::report::Report;
use crate::rows;
use crate::stack::Stack;

/// The path of the requests that write events.
const PATH: &str = "/api/v1/events";

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("resources_delay").await?;
    let client = database.connect().await?;
    // The table gets a history, because every query plan is fast on an empty table.
    rows::append_many(&client, "DEV-HISTORY-0001", plan.history).await?;
    Events::prepare(&client).await?.history(plan.many, plan.history as usize).await?;
    let gateway = stack.private_gateway(&database).await?;
    let stream = Workloads::new(plan.many, 1)?.path(0, 0);
    posts(0, stream, plan).rows(stack, &gateway, "one client", report).await?;
    report.note(format!(
        "delay of an event: {} requests of one event, 20 a second, after {} requests to warm up; the gateway \
         adds the time and the cluster; with one client, the table had {} events of the ticker and {} events \
         of {} workloads at the start",
        plan.samples, plan.warm_up, plan.history, plan.history, plan.many
    ));
    report.notes(gateway.stop().await?);
    Ok(())
}

/// The requests that write events of a workload. The workload must have no other events meanwhile. `stream`
/// is the path of the stream of its client.
pub(super) fn posts(workload: usize, stream: String, plan: &Plan) -> Posts {
    Posts {
        what: "an event",
        path: PATH.to_owned(),
        body: Box::new(move |number| posted(workload, number)),
        stream,
        warm_up: plan.warm_up,
        samples: plan.samples,
    }
}
