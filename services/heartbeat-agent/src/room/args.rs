//! The flags for sending the output of a command to a room.

use clap::Args;
use oasis_core::MOST_NAME_BYTES;
use oasis_core::room::{AgentType, Readers, RoomId};
use oasis_service::Secret;
use oasis_service::client::Base;

use super::sender::{Opening, Target};

/// The type of an agent if its name has no letter of a-z.
const AGENT_TYPE: &str = "agent";

#[derive(Debug, Args)]
#[command(next_help_heading = "Options for a room")]
pub(crate) struct RoomArgs {
    /// Send each line of COMMAND's output to this room of the gateway, and also print the output
    #[arg(long, env = "OASIS_ROOM", value_name = "ROOM", value_parser = RoomId::parse)]
    room: Option<RoomId>,

    /// The title of the room
    #[arg(long, value_name = "TEXT", value_parser = text, requires = "room")]
    room_title: Option<String>,

    /// The user who owns the room
    #[arg(long, value_name = "USER", value_parser = text, requires = "room")]
    room_owner: Option<String>,

    /// Who may read the room: signed_in (every user, the default) or owner
    #[arg(long, value_name = "WHO", requires = "room")]
    room_readers: Option<Readers>,

    /// The type of the agent that the lines name, such as `code`. The default is made from the agent's role
    /// or name
    #[arg(long, env = "OASIS_AGENT_TYPE", value_name = "TYPE", value_parser = AgentType::parse)]
    agent_type: Option<AgentType>,
}

fn text(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= MOST_NAME_BYTES && !text.contains('\0');
    fits.then(|| text.to_owned()).ok_or_else(|| format!("expected 1 to {MOST_NAME_BYTES} bytes"))
}

impl RoomArgs {
    /// The target of the lines. `None` if there is no room.
    ///
    /// # Errors
    /// When settings are missing or contradict each other. The message says what to set.
    pub(crate) fn target(
        self,
        agent: &str,
        role: Option<&str>,
        gateway: Option<(&Base, Option<&Secret>)>,
        wraps: bool,
    ) -> Result<Option<Target>, String> {
        let Some(room) = self.room else { return Ok(None) };
        if !wraps {
            return Err(
                "--room [env: OASIS_ROOM] needs a command, whose output is sent: add `-- COMMAND`".into()
            );
        }
        let Some((url, token)) = gateway else {
            return Err(
                "--room [env: OASIS_ROOM] needs a gateway: set GATEWAY_URL and INGEST_TOKEN. The agent \
                        does not write lines to the database"
                    .into(),
            );
        };
        if self.room_readers == Some(Readers::Owner) && self.room_owner.is_none() {
            return Err("--room-readers owner needs --room-owner".into());
        }
        let opening = Opening { title: self.room_title, owner: self.room_owner, readers: self.room_readers };
        let agent_type = match self.agent_type {
            Some(agent_type) => agent_type,
            None => AgentType::parse(&agent_type_of(role.unwrap_or(agent)))
                .map_err(|why| format!("pass --agent-type [env: OASIS_AGENT_TYPE]: {why}"))?,
        };
        Ok(Some(Target { url: url.clone(), token: token.cloned(), room, opening, agent_type }))
    }
}

/// Makes the text of an agent's type from a name: its letters of a-z in lower case, its digits and
/// underscores, and a dash for each run of other characters. Everything before the first letter is left out.
fn agent_type_of(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || (!text.is_empty() && (c.is_ascii_digit() || c == '_')) {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
    }
    text.truncate(AgentType::MAX_BYTES);
    match text.trim_end_matches('-') {
        "" => AGENT_TYPE.to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_type_of_an_agent_is_made_from_its_name() {
        for (name, expected) in [
            ("PLANNER", "planner"),
            ("Web  planner 2", "web-planner-2"),
            ("2-über_x-", "ber_x"),
            ("日本", "agent"),
            (&"ab ".repeat(20), "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab"),
        ] {
            assert_eq!(agent_type_of(name), expected);
        }
    }

    proptest! {
        #[test]
        fn every_name_gives_a_valid_type(name in ".{0,50}") {
            prop_assert!(AgentType::parse(&agent_type_of(&name)).is_ok());
        }
    }
}
