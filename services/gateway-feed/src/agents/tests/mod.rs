//! Tests the registry with an injected clock, both without a table and with a real table.

mod bounds;
mod helpers;
mod interleaving;
mod losses;
mod outages;
mod restart;
mod seeding;
mod timing;
