//! The registry under an injected clock, by itself and against a real table.

mod bounds;
mod helpers;
mod interleaving;
mod losses;
mod outages;
mod restart;
mod seeding;
mod timing;
