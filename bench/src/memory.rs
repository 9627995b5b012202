//! Measures how much memory a gateway needs for thousands of idle clients, and then for one client that never
//! reads.

mod idle_clients;
mod plan;
mod stall;

use crate::report::Report;
use crate::stack::Stack;
use plan::Plan;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("memory");
    idle_clients::run(stack, "memory", plan.clients, plan.settle, &mut report).await?;
    idle_clients::run(stack, "memory_more", 3 * plan.clients, plan.settle, &mut report).await?;
    stall::run(stack, &plan, &mut report).await?;
    Ok(report)
}
