//! Tests of the canon through its public interface: fixes of generated workflows, repositories on the disk,
//! and the labels of `deploy/ensure-vtid.sh`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod disk;
mod fixes;
mod generated;
mod guard;
mod meaning;
mod repository;
mod speed;
