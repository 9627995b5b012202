//! Events about code: `pull_request`, `push`, `create`, `delete`, `release`.

use oasis_core::github;
use oasis_core::{Meta, Status};
use serde::Deserialize;

use super::facts::{Facts, Place, cut, first_link, headline, known};
use super::json::{self, Commit, Login, Moment, Repository, Text};

#[derive(Deserialize)]
pub(super) struct PullRequestDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    pull_request: PullRequest<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct PullRequest<'a> {
    #[serde(borrow)]
    title: Option<Text<'a>>,
    head: Option<Head<'a>>,
    html_url: Option<Text<'a>>,
    number: Option<u64>,
    merged: Option<bool>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
    closed_at: Option<Moment>,
}

/// The head of a pull request. The field `repo` is not read, because GitHub sends null if the fork was
/// deleted.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "ref")]
    branch: Option<Text<'a>>,
    sha: Option<Text<'a>>,
}

/// Reads a `pull_request` event. Each field comes from its first usable source:
///
/// - VTID: `title`, `head.ref`
/// - `ts`: `created_at` (only for `opened`), `closed_at` (only for `closed`), `updated_at`
/// - link: `html_url`
pub(super) fn pull_request(delivery: PullRequestDelivery<'_>) -> Facts<'_> {
    let PullRequestDelivery { action, pull_request, repository, sender } = delivery;
    let (branch, sha) = pull_request.head.map(|head| (head.branch, head.sha)).unwrap_or_default();
    let merged = pull_request.merged.unwrap_or(false);
    let ts = match &*action {
        "opened" => Moment::first([pull_request.created_at, pull_request.updated_at]),
        "closed" => Moment::first([pull_request.closed_at, pull_request.updated_at]),
        _ => Moment::first([pull_request.updated_at]),
    };
    let meta = Meta::default()
        .with("number", pull_request.number)
        .with("title", headline(pull_request.title.as_deref()))
        .with("branch", cut(branch.as_deref()))
        .with("sha", cut(sha.as_deref()))
        .with("merged", pull_request.merged);
    Facts {
        state: known(github::pull_request(&action, merged)),
        ts,
        link: first_link([pull_request.html_url.as_deref()]),
        places: vec![(Place::PrTitle, pull_request.title), (Place::Branch, branch)],
        action: Some(action),
        repository,
        actor: sender,
        meta,
        workloads: None,
    }
}

#[derive(Deserialize)]
pub(super) struct Push<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Text<'a>,
    after: Option<Text<'a>>,
    compare: Option<Text<'a>>,
    head_commit: Option<Commit<'a>>,
    commits: Option<Vec<Commit<'a>>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

/// Reads a `push` event. Each field comes from its first usable source:
///
/// - VTID: `ref`, the head commit's message, the messages of `commits` in their order
/// - `ts`: the repository's `pushed_at`, the head commit's `timestamp`
/// - link: `compare`, the repository
///
/// A push can also create or delete a tag. A deletion has no head commit, and its `after` is all zeros.
pub(super) fn push(push: Push<'_>) -> Facts<'_> {
    let (id, message, timestamp) =
        push.head_commit.map(|commit| (commit.id, commit.message, commit.timestamp)).unwrap_or_default();
    let after = push.after.filter(|after| after.bytes().any(|byte| byte != b'0'));
    let commits = push.commits.unwrap_or_default();
    let tag = push.reference.strip_prefix("refs/tags/");
    let branch = push.reference.strip_prefix("refs/heads/");
    let meta = Meta::default()
        .with("branch", cut(branch))
        .with("tag", cut(tag))
        .with("sha", cut(id.as_deref().or(after.as_deref())))
        .with("title", headline(message.as_deref()))
        .with("commits", Some(commits.len()));
    let place = if tag.is_some() { Place::Tag } else { Place::Branch };
    let mut places = vec![(place, Some(push.reference)), (Place::CommitMessage, message)];
    places.extend(commits.into_iter().map(|commit| (Place::CommitMessage, commit.message)));
    let pushed_at = push.repository.as_ref().and_then(|repository| repository.pushed_at);
    Facts {
        state: known(Status::Info),
        ts: Moment::first([pushed_at, timestamp]),
        link: first_link([push.compare.as_deref(), json::page(push.repository.as_ref())]),
        places,
        action: None,
        repository: push.repository,
        actor: push.sender,
        meta,
        workloads: None,
    }
}

#[derive(Deserialize)]
pub(super) struct CreateOrDelete<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Option<Text<'a>>,
    ref_type: Option<Text<'a>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

/// Reads a `create` or `delete` event of a branch or a tag. Each field comes from its first usable source:
///
/// - VTID: the name of the branch or tag
/// - `ts`: the repository's `pushed_at`, `updated_at`
/// - link: the repository
///
/// The payload has no other times. Creating or deleting a branch or a tag is also a push, so `pushed_at` is
/// the time of the event.
pub(super) fn create_or_delete(delivery: CreateOrDelete<'_>) -> Facts<'_> {
    let name = delivery.reference.as_deref();
    let (place, key) = match delivery.ref_type.as_deref() {
        Some("tag") => (Place::Tag, "tag"),
        _ => (Place::Branch, "branch"),
    };
    let meta = Meta::default().with(key, cut(name));
    let repository = delivery.repository.as_ref();
    Facts {
        state: known(Status::Info),
        ts: Moment::first([
            repository.and_then(|repository| repository.pushed_at),
            repository.and_then(|repository| repository.updated_at),
        ]),
        link: first_link([json::page(repository)]),
        places: vec![(place, delivery.reference)],
        action: None,
        repository: delivery.repository,
        actor: delivery.sender,
        meta,
        workloads: None,
    }
}

#[derive(Deserialize)]
pub(super) struct ReleaseDelivery<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    release: Release<'a>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct Release<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    tag_name: Option<Text<'a>>,
    target_commitish: Option<Text<'a>>,
    html_url: Option<Text<'a>>,
    published_at: Option<Moment>,
    updated_at: Option<Moment>,
    created_at: Option<Moment>,
}

/// Reads a `release` event. Each field comes from its first usable source:
///
/// - VTID: `name`, `tag_name`, `target_commitish`
/// - `ts` for `published`, `released` and `prereleased`: `published_at`, `updated_at`, `created_at`
/// - `ts` for `created`: `updated_at`, `created_at`
/// - `ts` for other actions: `updated_at`
/// - link: `html_url`
///
/// `created_at` is the last source, because it is the date of the commit.
pub(super) fn release(delivery: ReleaseDelivery<'_>) -> Facts<'_> {
    let ReleaseDelivery { action, release, repository, sender } = delivery;
    let ts = match &*action {
        "published" | "released" | "prereleased" => {
            Moment::first([release.published_at, release.updated_at, release.created_at])
        }
        "created" => Moment::first([release.updated_at, release.created_at]),
        _ => Moment::first([release.updated_at]),
    };
    let meta = Meta::default()
        .with("title", headline(release.name.as_deref()))
        .with("tag", cut(release.tag_name.as_deref()))
        .with("branch", cut(release.target_commitish.as_deref()));
    Facts {
        state: known(github::release(&action)),
        ts,
        link: first_link([release.html_url.as_deref()]),
        places: vec![
            (Place::ReleaseName, release.name),
            (Place::Tag, release.tag_name),
            (Place::Branch, release.target_commitish),
        ],
        action: Some(action),
        repository,
        actor: sender,
        meta,
        workloads: None,
    }
}
