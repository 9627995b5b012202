//! Parses `RESOURCES`, which names the workloads of repositories and of Cloud Run services.

use std::fmt;
use std::str::FromStr;

use crate::invalid::{Invalid, shown};
use crate::resource::{Place, ResourceId};

/// The form of an entry, for error messages.
const ENTRY: &str = "expected FROM=cluster:ID/project:ID/workload:ID; FROM is owner/repo, \
                     owner/repo#WORKFLOW-FILE, SERVICE or PROJECT/REGION/SERVICE";

/// The workloads of repositories on GitHub and of Cloud Run services, for example
/// `owner/repo=cluster:eu/project:shop/workload:api,cart=workload:cart`. The number of slashes before the
/// equals sign tells a repository from a service. All entries that match apply, so one repository or service
/// may have several workloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    from: Origin,
    workload: Workload,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Repository {
        /// The owner and the name, as in `owner/repo`. As on GitHub, their case does not matter.
        full_name: Box<str>,
        /// The name of a file in `.github/workflows`. `None` means all workflows.
        workflow: Option<Box<str>>,
    },
    Service {
        /// The project and the region on Google Cloud. `None` means all projects and regions.
        within: Option<(Box<str>, Box<str>)>,
        name: Box<str>,
    },
}

/// A workload, and the project and the cluster to which it belongs, if the mapping names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    cluster: Option<ResourceId>,
    project: Option<ResourceId>,
    id: ResourceId,
}

impl Mapping {
    /// Whether the mapping has no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The workloads of the repository `full_name` (`owner/repo`). `workflow` is the path of the file of the
    /// workflow that caused the event. Without it, entries that name a workflow do not match.
    pub fn of_repository(&self, full_name: &str, workflow: Option<&str>) -> Vec<&Workload> {
        // GitHub appends `@` and a branch to the path of a workflow that belongs to another repository.
        let path = workflow.map(|path| path.split('@').next().unwrap_or(path));
        let file = path.and_then(|path| path.rsplit('/').next());
        self.matching(|from| match from {
            Origin::Repository { full_name: own, workflow } => {
                own.eq_ignore_ascii_case(full_name) && (workflow.is_none() || workflow.as_deref() == file)
            }
            Origin::Service { .. } => false,
        })
    }

    /// The workloads of a Cloud Run service.
    pub fn of_service(&self, project: &str, region: &str, name: &str) -> Vec<&Workload> {
        self.matching(|from| match from {
            Origin::Repository { .. } => false,
            Origin::Service { within, name: own } => {
                **own == *name && within.as_ref().is_none_or(|(p, r)| (&**p, &**r) == (project, region))
            }
        })
    }

    /// The entries of both mappings.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The workloads of the matching entries, each once.
    fn matching(&self, matches: impl Fn(&Origin) -> bool) -> Vec<&Workload> {
        let mut found = Vec::new();
        for entry in &self.0 {
            if matches(&entry.from) && !found.contains(&&entry.workload) {
                found.push(&entry.workload);
            }
        }
        found
    }
}

impl FromStr for Mapping {
    type Err = Invalid;

    fn from_str(list: &str) -> Result<Self, Invalid> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(Entry::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = |why: &dyn fmt::Display| Invalid::new(format!("{}: {why}", shown(text)));
        let (from, places) = text.split_once('=').ok_or_else(|| refused(&ENTRY))?;
        let from = Origin::parse(from.trim()).ok_or_else(|| refused(&ENTRY))?;
        let workload = Workload::parse(places.trim()).map_err(|why| refused(&why))?;
        Ok(Self { from, workload })
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        // The ids of some old projects begin with a domain and a colon.
        let is_project = |part: &str| part.splitn(2, ':').all(is_name);
        let (path, workflow) = text.split_once('#').map_or((text, None), |(path, file)| (path, Some(file)));
        let parts: Vec<&str> = path.split('/').collect();
        match (parts.as_slice(), workflow) {
            ([owner, name], workflow) if is_name(owner) && is_name(name) && workflow.is_none_or(is_file) => {
                Some(Self::Repository { full_name: path.into(), workflow: workflow.map(Into::into) })
            }
            ([name], None) if is_name(name) => Some(Self::Service { within: None, name: (*name).into() }),
            ([project, region, name], None) if is_project(project) && is_name(region) && is_name(name) => {
                Some(Self::Service {
                    within: Some(((*project).into(), (*region).into())),
                    name: (*name).into(),
                })
            }
            _ => None,
        }
    }
}

/// Whether `text` can be the name of a workflow's file.
fn is_file(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '@', '#']) && !text.contains(char::is_control)
}

impl Workload {
    fn parse(text: &str) -> Result<Self, String> {
        let (mut cluster, mut project, mut workload) = (None, None, None);
        for part in text.split('/') {
            let (name, id) = part.split_once(':').ok_or(ENTRY)?;
            let slot = match name {
                "cluster" => &mut cluster,
                "project" => &mut project,
                "workload" => &mut workload,
                _ => return Err(ENTRY.to_owned()),
            };
            let id = ResourceId::parse(id).map_err(|why| why.to_string())?;
            if slot.replace(id).is_some() {
                return Err(format!("the {name} is given twice"));
            }
        }
        let id = workload.ok_or_else(|| format!("the workload is missing: {ENTRY}"))?;
        Ok(Self { cluster, project, id })
    }

    /// The ids of the workload, the project and the cluster.
    pub fn ids(&self) -> impl Iterator<Item = (Place, &ResourceId)> {
        let ids = [
            (Place::Workload, Some(&self.id)),
            (Place::Project, self.project.as_ref()),
            (Place::Cluster, self.cluster.as_ref()),
        ];
        ids.into_iter().filter_map(|(place, id)| Some((place, id?)))
    }
}

/// Writes the workload as in an entry, such as `cluster:eu/project:shop/workload:api`.
impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, id) in [("cluster", &self.cluster), ("project", &self.project)] {
            id.iter().try_for_each(|id| write!(f, "{name}:{}/", id.as_str()))?;
        }
        write!(f, "workload:{}", self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mapping(list: &str) -> Mapping {
        list.parse().unwrap()
    }

    fn texts(found: Vec<&Workload>) -> Vec<String> {
        found.into_iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_repository_has_the_workloads_of_all_entries_that_match() {
        let mapping = mapping(
            "Acme/Shop=cluster:eu/project:shop/workload:api, acme/shop#build.yml=workload:worker/project:shop,
             acme/shop=workload:api,acme/other=workload:other,shop=workload:run,,",
        );
        let of = |name: &str, workflow| texts(mapping.of_repository(name, workflow));
        let all = ["cluster:eu/project:shop/workload:api", "workload:api"];
        assert_eq!(of("acme/SHOP", None), all);
        assert_eq!(of("acme/shop", Some(".github/workflows/test.yml")), all);
        let built = [all[0], "project:shop/workload:worker", all[1]];
        assert_eq!(of("acme/shop", Some(".github/workflows/build.yml")), built);
        assert_eq!(of("acme/shop", Some(".github/workflows/build.yml@main")), built);
        assert_eq!(of("acme/unknown", None), [""; 0]);
    }

    #[test]
    fn a_service_is_named_alone_or_with_its_project_and_region() {
        let mapping = mapping(
            "api=workload:api,example.com:prod/europe-west1/api=cluster:eu/workload:api-eu,\
             prod/us-east1/api=workload:api,acme/api=workload:repository",
        );
        let of = |project: &str, region: &str, name: &str| texts(mapping.of_service(project, region, name));
        assert_eq!(of("dev", "us-east1", "api"), ["workload:api"]);
        let eu = ["workload:api", "cluster:eu/workload:api-eu"];
        assert_eq!(of("example.com:prod", "europe-west1", "api"), eu);
        // Two entries match, but they name the same workload.
        assert_eq!(of("prod", "us-east1", "api"), ["workload:api"]);
        assert_eq!(of("prod", "us-east1", "API"), [""; 0]);
    }

    #[test]
    fn the_error_names_the_entry_and_says_what_is_expected() {
        for (bad, why) in [
            ("acme/shop", "expected FROM=cluster:ID/project:ID/workload:ID; FROM is owner/repo,"),
            ("=workload:api", "expected FROM="),
            ("acme/=workload:api", "expected FROM="),
            ("acme/a/b/c=workload:api", "expected FROM="),
            ("acme/shop#=workload:api", "expected FROM="),
            ("acme/shop#a/b.yml=workload:api", "expected FROM="),
            ("api#build.yml=workload:api", "expected FROM="),
            ("a b=workload:api", "expected FROM="),
            ("acme/shop=api", "expected FROM="),
            ("acme/shop=addon:db", "expected FROM="),
            ("acme/shop=project:shop", "the workload is missing: expected FROM="),
            ("acme/shop=workload:", "\"\" is not the id of a resource"),
            ("acme/shop=workload:a/workload:b", "the workload is given twice"),
        ] {
            let error = format!("ok=workload:ok,{bad}").parse::<Mapping>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?}: {why}")), "{error}");
        }
        assert!(mapping(" , ").is_empty());
    }

    fn id() -> impl Strategy<Value = String> {
        "[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}"
    }

    fn workload() -> impl Strategy<Value = String> {
        let optional =
            |name: &'static str| proptest::option::of(id().prop_map(move |id| format!("{name}:{id}/")));
        (optional("cluster"), optional("project"), id()).prop_map(|(cluster, project, id)| {
            format!("{}{}workload:{id}", cluster.unwrap_or_default(), project.unwrap_or_default())
        })
    }

    proptest! {
        #[test]
        fn every_entry_is_found_by_its_own_name_and_by_no_other(
            entries in proptest::collection::vec(("[a-z]{1,8}/[a-z.]{1,8}", workload()), 0..8),
            services in proptest::collection::vec(("[a-z][a-z0-9-]{0,8}", workload()), 0..8),
        ) {
            let all = entries.iter().chain(&services);
            let list: Vec<String> = all.map(|(from, places)| format!("{from}={places}")).collect();
            let mapping = mapping(&list.join(" , "));
            for (name, places) in &entries {
                let found = texts(mapping.of_repository(&name.to_uppercase(), None));
                prop_assert!(found.contains(places));
                prop_assert!(found.iter().all(|found| entries.contains(&(name.clone(), found.clone()))));
            }
            for (name, places) in &services {
                let found = texts(mapping.of_service("p", "r", name));
                prop_assert!(found.contains(places));
                prop_assert!(found.iter().all(|found| services.contains(&(name.clone(), found.clone()))));
            }
        }

        #[test]
        fn any_text_is_parsed_or_refused(list in any::<String>(), from in "[a-z/#:=,.@]{0,12}") {
            let _ = list.parse::<Mapping>();
            let _ = format!("{from}=workload:a").parse::<Mapping>();
        }
    }
}
