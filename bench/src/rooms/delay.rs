//! Measures the delay from sending a line to the arrival of its frame at a viewer of the room.

use super::house::{House, logs, message};
use super::plan::Plan;
use crate::posts::Posts;
use crate::report::Report;
use crate::rows;
use crate::stack::Stack;

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("rooms_delay").await?;
    let client = database.connect().await?;
    // The table gets a history, because every query plan is fast on an empty table.
    rows::append_many(&client, "DEV-HISTORY-0001", plan.history).await?;
    let house = House::open(&client, 1).await?;
    let gateway = stack.private_gateway(&database).await?;
    posts(&house, 0, plan).rows(stack, &gateway, "one viewer", report).await?;
    report.note(format!(
        "delay of a line: {} lines, 20 a second, after {} lines to warm up; the table had {} events of the \
         ticker at the start",
        plan.samples, plan.warm_up, plan.history
    ));
    report.notes(gateway.stop().await?);
    Ok(())
}

/// The requests that write lines to a room. The room must have no other viewers and lines.
pub(super) fn posts(house: &House, room: usize, plan: &Plan) -> Posts {
    Posts {
        what: "a line",
        path: logs(room),
        body: Box::new(line),
        stream: house.path(room),
        warm_up: plan.warm_up,
        samples: plan.samples,
    }
}

/// The JSON of a line without a task.
pub(super) fn line(number: u64) -> String {
    format!("{{\"agentType\":\"code\",\"level\":\"info\",\"message\":\"{}\"}}", message(number))
}
