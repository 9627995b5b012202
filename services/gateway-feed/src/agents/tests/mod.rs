//! Tests the registry under an injected clock, alone and against a real table.

mod bounds;
mod helpers;
mod interleaving;
mod losses;
mod outages;
mod restart;
mod seeding;
mod timing;
