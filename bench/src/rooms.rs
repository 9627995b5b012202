//! Measures rooms: the cost of thousands of viewers, each in a room of its own; the delay of a line; a
//! restart of the gateway; the ticker while many lines are written; and the same viewers with NestJS, ioredis
//! and Redis.

mod compare;
mod connects;
mod delay;
mod house;
mod idle;
mod plan;
mod restart;
mod returning;
mod ticker;

use crate::report::Report;
use crate::stack::Stack;
use plan::Plan;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("rooms");
    delay::run(stack, &plan, &mut report).await?;
    idle::run(stack, &plan, &mut report).await?;
    connects::run(stack, &plan, &mut report).await?;
    ticker::run(stack, &plan, &mut report).await?;
    restart::run(stack, &plan, &mut report).await?;
    compare::run(stack, &plan, &mut report).await?;
    Ok(report)
}
