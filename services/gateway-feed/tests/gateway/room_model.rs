//! The model of the test of isolation: computes who may read which line from the rows of the table.

use serde_json::Value;

/// The credential of a user.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) user: String,
    pub(crate) token: String,
    /// What revokes only this credential: the `jti` of a token, or the id of a key.
    pub(crate) name: String,
    /// When the credential expires, in seconds of Unix time.
    pub(crate) expires: Option<f64>,
}

/// A line of a room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) id: i64,
    pub(crate) mark: String,
    /// When the line was recorded, in seconds of Unix time.
    pub(crate) at: f64,
}

/// The rights in a room after the row `from`, until the next change.
#[derive(Debug, Clone)]
struct Rights {
    from: i64,
    owner: Option<String>,
    only_owner: bool,
}

/// A room: its lines, and the history of its rights.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) lines: Vec<Line>,
    rights: Vec<Rights>,
}

/// The rows of a round.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) rooms: Vec<Room>,
    /// The revocations: the id of the row, the kind of what is revoked, and its name.
    revoked: Vec<(i64, String, String)>,
}

/// How long a stream may outlive its credential, in seconds. The clocks of the gateway and of the database
/// are the same, but the processor may be busy.
pub(crate) const LATE: f64 = 1.0;

impl Model {
    /// Reads the rows after the id `after`. The rooms have these channels.
    pub(crate) async fn read(sql: &tokio_postgres::Client, after: i64, channels: &[String]) -> Self {
        let rows = "SELECT id, channel, kind, meta::text, extract(epoch FROM recorded_at)::float8 \
                    FROM oasis_events WHERE id > $1 ORDER BY id";
        let mut model = Self { rooms: channels.iter().map(|_| Room::default()).collect(), revoked: vec![] };
        for row in sql.query(rows, &[&after]).await.unwrap() {
            let (id, channel): (i64, &str) = (row.get(0), row.get(1));
            let meta: Value = serde_json::from_str(row.get(3)).unwrap();
            let text = |name: &str| meta[name].as_str().map(str::to_owned);
            let room = channels.iter().position(|one| one == channel).map(|nth| &mut model.rooms[nth]);
            match (room, row.get(2)) {
                (None, "access.revoked") => {
                    let what = text("what").unwrap();
                    let name = text(&what).unwrap();
                    model.revoked.push((id, what, name));
                }
                (None, kind) => panic!("an unexpected row: {channel} {kind}"),
                (Some(room), "log") => {
                    room.lines.push(Line { id, mark: text("message").unwrap(), at: row.get(4) });
                }
                (Some(room), "room.opened") => room.rights.push(Rights {
                    from: id,
                    owner: text("owner"),
                    only_owner: text("readers").as_deref() == Some("owner"),
                }),
                (Some(room), "room.updated") => {
                    let mut rights = room.rights.last().unwrap().clone();
                    rights.from = id;
                    if let Some(owner) = meta.get("owner") {
                        rights.owner = owner.as_str().map(str::to_owned);
                    }
                    if let Some(readers) = text("readers") {
                        rights.only_owner = readers == "owner";
                    }
                    room.rights.push(rights);
                }
                (Some(_), kind) => panic!("an unexpected row: {channel} {kind}"),
            }
        }
        model
    }

    /// The row that revokes a credential.
    fn revocation(&self, credential: &Credential) -> Option<i64> {
        let covers = |(_, what, name): &&(i64, String, String)| match what.as_str() {
            "sub" => *name == credential.user,
            _ => *name == credential.name,
        };
        self.revoked.iter().find(covers).map(|(id, _, _)| *id)
    }

    /// The ranges of ids in which a credential may read a room: the first id, and the id after the last.
    fn stretches(&self, credential: &Credential, room: usize) -> Vec<(i64, i64)> {
        let rights = &self.rooms[room].rights;
        let end = self.revocation(credential).unwrap_or(i64::MAX);
        let ends = rights.iter().skip(1).map(|next| next.from).chain([i64::MAX]);
        let may = |rights: &Rights| !rights.only_owner || rights.owner.as_ref() == Some(&credential.user);
        let stretches = rights.iter().zip(ends).filter(|(rights, _)| may(rights));
        let stretches = stretches.map(|(rights, until)| (rights.from, until.min(end)));
        stretches.filter(|(from, until)| from < until).collect()
    }

    /// Whether a credential may get a line. It may if it may read the room just after this line, or at any
    /// later time.
    pub(crate) fn may_get(&self, credential: &Credential, room: usize, line: &Line) -> bool {
        let in_time = credential.expires.is_none_or(|expires| line.at < expires + LATE);
        in_time && self.stretches(credential, room).iter().any(|(_, until)| line.id < *until)
    }

    /// Whether a credential may read a room after all rows.
    pub(crate) fn may_read_at_last(&self, credential: &Credential, room: usize) -> bool {
        let stretches = self.stretches(credential, room);
        credential.expires.is_none() && stretches.last().is_some_and(|(_, until)| *until == i64::MAX)
    }

    /// Whether a credential could always read a room after the row `after`.
    pub(crate) fn could_always_read(&self, credential: &Credential, room: usize, after: i64) -> bool {
        let mut reached = after;
        for (from, until) in self.stretches(credential, room) {
            if from <= reached.max(self.rooms[room].rights[0].from) {
                reached = reached.max(until);
            }
        }
        credential.expires.is_none() && reached == i64::MAX
    }
}
