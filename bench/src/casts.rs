//! Measures casts that GitHub runs drive: the delay from a signed delivery to the frame at the owner, the
//! losses after a kill, and the statements that a gateway sends while thousands of streams are idle. Also
//! compared with Node and NATS.

mod delay;
mod idle;
mod kill;
mod plan;
mod sides;

use crate::peers::nats::Nats;
use crate::report::Report;
use crate::stack::Stack;

use plan::Plan;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = Plan::new(quick);
    let mut report = Report::new("casts");
    let nats = Nats::start().await?;
    if let Err(why) = &nats {
        report.missing(Nats::NAME, why);
    }
    delay::run(stack, nats.as_ref(), &plan, &mut report).await?;
    kill::run(stack, nats.as_ref(), &plan, &mut report).await?;
    drop(nats);
    idle::run(stack, quick, &mut report).await?;
    Ok(report)
}
