//! Measures resource events: the delay of an event; the cost of an event and of an idle client, with
//! thousands of clients that each follow one workload; and the same events and filters with better-sse.

mod compare;
mod cost;
mod delay;
mod plan;
mod workloads;

use crate::report::Report;
use crate::stack::Stack;
use plan::Plan;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("resources");
    delay::run(stack, &plan, &mut report).await?;
    cost::run(stack, &plan, &mut report).await?;
    compare::run(stack, &plan, &mut report).await?;
    Ok(report)
}
