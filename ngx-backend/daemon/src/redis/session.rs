//! A connection to Redis with the scripts in place: commands, and what is read from their answers.

use std::time::Duration;

use backend_map::{Upstreams, wire};
use redis::{Cmd, Pipeline, Value};
use redis_link::{Connected, Target, connect};
use tokio::time::timeout;

use super::decide::Look;
use super::records::{self, Field, Read};
use super::settings::Keys;
use super::state::Trouble;
use crate::store::Position;

const APPLY: &str = include_str!("apply.lua");
const LOOK: &str = include_str!("look.lua");
const REFILL: &str = include_str!("refill.lua");

/// For an answer, beside the time that Redis was asked to wait. Large imports take a while there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Changes that are read at once.
const READ_AT_ONCE: usize = 1_000;
/// Entries that are read at once, roughly.
const SCANNED_AT_ONCE: usize = 1_000;

/// A connection.
pub(super) struct Session {
    connected: Connected,
    address: String,
    keys: Keys,
    apply: Script,
    look: Script,
    refill: Script,
}

/// A script that Redis knows by its digest.
struct Script {
    text: &'static str,
    digest: String,
}

/// Why there is no answer to go on with.
#[derive(Debug)]
pub(super) enum Failure {
    /// Redis has answered that it does not do it.
    Refused {
        /// The first word of its answer, such as `READONLY`.
        code: String,
        details: String,
    },
    /// No answer has come, and none will.
    Lost(String),
}

impl Session {
    pub(super) async fn open(target: &Target, keys: &Keys) -> Result<Self, Trouble> {
        let connected = connect(target).await?;
        // As long as no digest, so that Redis says that it does not know it.
        let unknown = |text| Script { text, digest: "unknown".to_owned() };
        let (apply, look, refill) = (unknown(APPLY), unknown(LOOK), unknown(REFILL));
        Ok(Self { connected, address: target.address.to_string(), keys: keys.clone(), apply, look, refill })
    }

    /// Gives the answer to a command, which is none of Redis' refusals.
    async fn ask(&mut self, command: Cmd, patience: Duration) -> Result<Value, Failure> {
        let mut single = Pipeline::with_capacity(1);
        single.add_command(command);
        let answer = self.connected.connection.send_packed_commands(&single, 0, 1);
        match timeout(patience, answer).await {
            Ok(Ok(mut answers)) => match answers.pop() {
                Some(Value::ServerError(error)) => Err(Failure::Refused {
                    code: error.code().to_owned(),
                    details: error.details().unwrap_or_default().to_owned(),
                }),
                Some(answer) => Ok(answer),
                None => Err(Failure::Lost("it gave no answer".to_owned())),
            },
            Ok(Err(error)) => Err(Failure::Lost(error.to_string())),
            Err(_) => Err(Failure::Lost(format!("no answer came within {patience:?}"))),
        }
    }

    /// Has a script run on both keys and perhaps a third. One that Redis does not know, or no longer, is told to it: it has not run then.
    async fn run(
        &mut self,
        which: fn(&mut Self) -> &mut Script,
        third: Option<&str>,
        arguments: &[Vec<u8>],
    ) -> Result<Value, Failure> {
        match self.run_known(which, third, arguments).await {
            Err(Failure::Refused { code, .. }) if code == "NOSCRIPT" => {}
            outcome => return outcome,
        }
        let mut load = Cmd::new();
        load.arg("SCRIPT").arg("LOAD").arg(which(self).text);
        let digest = self.ask(load, ANSWER_TIMEOUT).await?;
        which(self).digest = text(&digest).unwrap_or_default().to_owned();
        self.run_known(which, third, arguments).await
    }

    async fn run_known(
        &mut self,
        which: fn(&mut Self) -> &mut Script,
        third: Option<&str>,
        arguments: &[Vec<u8>],
    ) -> Result<Value, Failure> {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&which(self).digest).arg(2 + usize::from(third.is_some()));
        command.arg(&self.keys.entries).arg(&self.keys.changes).arg(third).arg(arguments);
        self.ask(command, ANSWER_TIMEOUT).await
    }

    /// Makes changes, given as the script wants them (see `apply.lua`). Gives the last revision, and for each change whether there was an
    /// entry.
    pub(super) async fn apply(&mut self, arguments: &[Vec<u8>]) -> Result<(u64, Vec<bool>), Failure> {
        let answer = self.run(|session| &mut session.apply, None, arguments).await?;
        let read = match &answer {
            Value::Array(parts) => match &parts[..] {
                [revision, before] => text(revision)
                    .and_then(|revision| revision.parse().ok())
                    .zip(text(before).map(|before| before.bytes().map(|byte| byte == b'1').collect())),
                _ => None,
            },
            _ => None,
        };
        read.ok_or_else(|| Failure::Lost("it gave an answer of another kind".to_owned()))
    }

    /// How Redis stands, seen from a position.
    pub(super) async fn look(&mut self, from: Position) -> Result<Look, Trouble> {
        let arguments = [from.to_string().into_bytes()];
        let answer = self
            .run(|session| &mut session.look, None, &arguments)
            .await
            .map_err(|failure| self.trouble(failure))?;
        Look::read(&answer).ok_or_else(|| self.foreign("the record of changes"))
    }

    /// The changes behind a position, waiting for one at most so long, if at all.
    pub(super) async fn read(&mut self, after: Position, wait: Option<Duration>) -> Result<Read, Trouble> {
        let mut command = Cmd::new();
        command.arg("XREAD").arg("COUNT").arg(READ_AT_ONCE);
        if let Some(wait) = wait {
            // Zero would be for ever.
            command.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        }
        command.arg("STREAMS").arg(&self.keys.changes).arg(after.to_string());
        let patience = ANSWER_TIMEOUT + wait.unwrap_or_default();
        let answer = self.ask(command, patience).await.map_err(|failure| self.trouble(failure))?;
        Ok(records::read(after, &answer))
    }

    /// A part of all entries, and the cursor of the next part, which is 0 at the end. Some may come twice, and what is changed meanwhile may come
    /// or not (Redis' SCAN).
    pub(super) async fn scan(&mut self, cursor: u64) -> Result<(u64, Vec<Field>), Trouble> {
        let mut command = Cmd::new();
        command.arg("HSCAN").arg(&self.keys.entries).arg(cursor).arg("COUNT").arg(SCANNED_AT_ONCE);
        let answer = self.ask(command, ANSWER_TIMEOUT).await.map_err(|failure| self.trouble(failure))?;
        records::scanned(answer).ok_or_else(|| self.foreign("the entries"))
    }

    /// Gives an empty Redis a part of a map (see `refill.lua`), which is gathered beside it under a number. Says whether that is still wanted.
    pub(super) async fn refill(&mut self, gathered: u64, arguments: &[Vec<u8>]) -> Result<bool, Trouble> {
        let gathered = format!("{}.{gathered}", self.keys.entries);
        let answer = self.run(|session| &mut session.refill, Some(&gathered), arguments).await;
        Ok(answer.map_err(|failure| self.trouble(failure))? == Value::Int(1))
    }

    /// Whether Redis still answers.
    pub(super) async fn ping(&mut self) -> Result<(), Failure> {
        let mut command = Cmd::new();
        command.arg("PING");
        match self.ask(command, ANSWER_TIMEOUT).await {
            // Whoever may not ask that is answered all the same.
            Ok(_) | Err(Failure::Refused { .. }) => Ok(()),
            Err(lost) => Err(lost),
        }
    }

    pub(super) fn trouble(&self, failure: Failure) -> Trouble {
        let is_answer = matches!(failure, Failure::Refused { .. });
        let sentence = self.sentence(failure);
        if is_answer { Trouble::Refused(sentence) } else { Trouble::Broken(sentence) }
    }

    /// What an operator is told of it.
    pub(super) fn sentence(&self, failure: Failure) -> String {
        let address = &self.address;
        match failure {
            Failure::Refused { code, details } => format!("Redis at {address} answers {code} {details}"),
            Failure::Lost(reason) => format!("the connection to Redis at {address} was lost: {reason}"),
        }
    }

    pub(super) fn foreign(&self, what: &str) -> Trouble {
        let (address, prefix) = (&self.address, self.keys.entries.trim_end_matches("entries"));
        Trouble::Foreign(format!(
            "{what} in Redis at {address} are not what a daemon writes; give this map another prefix than `{prefix}` (--store-prefix)"
        ))
    }
}

/// Upstreams as they are kept in Redis.
pub(super) fn encoded(upstreams: &Upstreams) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::encode_upstreams(&mut bytes, upstreams);
    bytes
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
