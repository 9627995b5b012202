//! The rules of the canon: their names, their levels, and what `oasis canon check --explain` prints.

use std::fmt;
use std::str::FromStr;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The rule is not checked.
    Off,
    /// The finding is printed, but the check passes.
    Warning,
    /// The check fails.
    Error,
}

impl Level {
    /// The level in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $name:literal, $level:ident, $what:literal, $why:literal;)+) => {
        /// A rule of the canon.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = $what] $rule,)+
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// The name of the rule, as in `canon.toml`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),+ }
            }

            /// The level of a finding unless `canon.toml` sets another one.
            pub fn default_level(self) -> Level {
                match self { $(Self::$rule => Level::$level),+ }
            }

            /// What the rule demands, in one sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$rule => $what),+ }
            }

            /// Why the rule exists, with an example that follows it.
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$rule => $why),+ }
            }
        }
    };
}

rules! {
    WorkflowReadable = "workflow-readable", Error,
    "A workflow file is YAML, and its top level is a mapping.",
    "GitHub ignores a workflow that it cannot read, and shows the error only on the page of the workflow. So a
workflow can stop running, and nobody notices.";

    WorkflowFileName = "workflow-file-name", Error,
    "The name of a workflow file has at least two words in capitals, joined by hyphens.",
    "The list of runs, badges and API calls name a workflow by its file. With one form for all names, the team
can search for a layer or a module everywhere.

    .github/workflows/CICDL-GATEWAY-DEPLOY.yml

`oasis canon fix` renames a file such as deploy-gateway.yml and its references. A name of one word, such as
ci.yml, needs a new name from you: oasis canon fix --rename ci.yml=CICDL-CORE-CHECK.yml";

    WorkflowName = "workflow-name", Error,
    "The `name:` of a workflow has at least two words in capitals, joined by hyphens.",
    "GitHub shows this name in the list of runs, and the feed shows it as the workflow of an event.

    name: CICDL-GATEWAY-DEPLOY

`oasis canon fix` rewrites a name such as \"Deploy gateway\", and the places that refer to it. A name of one
word, such as CI, needs a new name from you: oasis canon fix --rename CI=CICDL-CORE-CHECK";

    WorkflowNameParts = "workflow-name-parts", Warning,
    "The `name:` of a workflow is LAYER-MODULE-ACTION.",
    "The feed titles each event LAYER-MODULE-ACTION. A workflow with a name of this form can be recognised in
the feed. No tool can invent the layer, so `oasis canon fix` does not change such a name.

    name: CICDL-GATEWAY-DEPLOY";

    RunName = "run-name", Error,
    "The `run-name:` of a workflow contains the VTID, or an expression that can contain it.",
    "OASIS DevHub reads the task of a run from the name of the run, the branch and the commit. Without
`run-name:`, a run on the default branch that a person starts belongs to no task. A workflow that only other
workflows call needs no `run-name:`.

    run-name: \"CICDL-GATEWAY-DEPLOY: ${{ inputs.vtid || github.ref_name }}\"

These expressions can contain a VTID: inputs whose name contains vtid, titles, commit messages, branches and
tags. `oasis canon fix` adds a `run-name:` if there is none.";

    DeployLabels = "deploy-labels", Error,
    "A deploy to Cloud Run sets the labels vtid, vt_layer and vt_module, on the service and on the revision.",
    "deploy-watcher reads the task of a deploy from these labels. A deploy that sets no labels inherits those
of the last deploy, so it would appear under the wrong task. `gcloud run deploy --labels` labels both the
service and the revision. In a service.yaml and in Terraform, the labels stand in two places.

    gcloud run deploy gateway \"$(deploy/ensure-vtid.sh gateway DEV-CICDL-0031 CICDL GATEWAY)\"";

    LabelValue = "label-value", Error,
    "The values of the labels vtid, vt_layer and vt_module are valid for Cloud Run and for the feed.",
    "Cloud Run accepts lower-case letters, digits, _ and -, at most 63 characters. It refuses a deploy with
vtid=DEV-CICDL-0031. An input or a title may contain capitals, and expressions of GitHub cannot convert them.
`oasis canon labels` and deploy/ensure-vtid.sh print valid labels.

    --labels=vtid=dev-cicdl-0031,vt_layer=cicdl,vt_module=gateway";

    BranchVtid = "branch-vtid", Error,
    "The branch of a pull request contains a VTID.",
    "Runs and pushes of the branch then belong to the task. The rule is checked in CI, where GitHub provides
the event. The default branch is exempt.

    vt/DEV-CICDL-0031-feed";

    TitleVtid = "title-vtid", Error,
    "The title of a pull request contains a VTID.",
    "The pull request, its runs, and the commit that merges it then belong to the task. The rule is checked in
CI, where GitHub provides the event.

    feat: the feed resumes (DEV-CICDL-0031)";

    ServiceManifest = "service-manifest", Error,
    "Each folder in services/ has a manifest.json with name, and with vtid or with vt_layer and vt_module.",
    "The manifest says to which layer and module the events of a service belong.

    {\"name\": \"gateway\", \"vt_layer\": \"CICDL\", \"vt_module\": \"GATEWAY\"}";

    KebabCase = "kebab-case", Error,
    "Names in services/, packages/, skills/ and openapi/ are lower-case words joined by hyphens.",
    "The name of a service is also part of URLs, of image names and of labels, which do not allow capitals or
underscores. `kebab-case` in canon.toml lists the folders whose entries are checked.

    services/deploy-watcher    openapi/gateway-v1.yml";

    Catalogue = "catalogue", Error,
    "Services, packages, skills and OpenAPI files stand in services/, packages/, skills/ and openapi/.",
    "A tool or a new colleague then finds all services of a repository in one folder. A folder counts as a
service if it has a manifest.json with vt_ fields, as a package if it has a Cargo.toml, package.json,
pyproject.toml or go.mod, and as a skill if it has a SKILL.md. The top level of the repository may be a
package.";

    UnusedException = "unused-exception", Warning,
    "Each exception in canon.toml and each entry of the baseline applies to a finding.",
    "An exception that applies to nothing hides the next real finding. Remove it. For the baseline, run
oasis canon check --write-baseline";
}

impl Rule {
    /// Whether the rule is about a branch or a pull request, not about a file.
    pub fn is_about_change(self) -> bool {
        matches!(self, Self::BranchVtid | Self::TitleVtid)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for a name that no rule has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rule: expected one of {list}", list = names())]
pub struct UnknownRule(String);

fn names() -> String {
    Rule::ALL.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name).ok_or_else(|| UnknownRule(name.to_owned()))
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Rule {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}
