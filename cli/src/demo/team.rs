//! The people, repositories and tasks of the demo. All of them are made up.

/// The organisation on GitHub.
pub(super) const ORGANIZATION: &str = "oasis-demo";

/// A member of the team.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// The name on GitHub.
    pub(super) login: &'static str,
    /// The name in commits.
    pub(super) name: &'static str,
    /// The id on GitHub.
    pub(super) id: u64,
}

/// The team.
pub(super) const PEOPLE: [Person; 5] = [
    Person { login: "demo-amara", name: "Amara Obi", id: 900_000_101 },
    Person { login: "demo-jonas", name: "Jonas Lindqvist", id: 900_000_102 },
    Person { login: "demo-mei", name: "Mei Tanaka", id: 900_000_103 },
    Person { login: "demo-rafael", name: "Rafael Duarte", id: 900_000_104 },
    Person { login: "demo-sofia", name: "Sofía Marín", id: 900_000_105 },
];

/// A repository of the organisation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// The name.
    pub(super) name: &'static str,
    /// The repository's id on GitHub.
    pub(super) id: u64,
    /// The main language.
    pub(super) language: &'static str,
    /// The checks that run for each pull request.
    pub(super) checks: &'static [&'static str],
}

/// The repositories.
pub(super) const REPOSITORIES: [Repository; 4] = [
    Repository { name: "gateway", id: 800_000_201, language: "Rust", checks: &["test", "clippy"] },
    Repository { name: "console", id: 800_000_202, language: "TypeScript", checks: &["test", "lint", "e2e"] },
    Repository { name: "agents", id: 800_000_203, language: "Python", checks: &["test", "types"] },
    Repository { name: "infra", id: 800_000_204, language: "HCL", checks: &["plan"] },
];

/// The work of one task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// The layer of the VTID.
    pub(super) layer: &'static str,
    /// An index into [`REPOSITORIES`].
    pub(super) repository: usize,
    /// The title of the pull request.
    pub(super) title: &'static str,
}

/// The work of the team. After the last entry, the team starts again with the first entry.
pub(super) const WORK: [Work; 14] = [
    Work { layer: "CICDL", repository: 0, title: "Keep the build cache between runs" },
    Work { layer: "CONSL", repository: 1, title: "Show the age of each event" },
    Work { layer: "CICDL", repository: 3, title: "Pin the runner image" },
    Work { layer: "AGENT", repository: 2, title: "Retry planner calls that time out" },
    Work { layer: "APIGW", repository: 0, title: "Answer 429 with Retry-After" },
    Work { layer: "CICDL", repository: 0, title: "Run the slow tests in parallel" },
    Work { layer: "CONSL", repository: 1, title: "Remember the chosen filter" },
    Work { layer: "INFRA", repository: 3, title: "Move the registry to europe-west1" },
    Work { layer: "AGENT", repository: 2, title: "Report the heartbeat of idle agents" },
    Work { layer: "CICDL", repository: 1, title: "Fail the build on type errors" },
    Work { layer: "APIGW", repository: 0, title: "Page the event query by id" },
    Work { layer: "INFRA", repository: 3, title: "Raise the memory limit of the watcher" },
    Work { layer: "AGENT", repository: 2, title: "Drop the unused prompt cache" },
    Work { layer: "CICDL", repository: 2, title: "Publish wheels from the release workflow" },
];
