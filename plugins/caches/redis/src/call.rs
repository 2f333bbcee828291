//! A call of the host: what it asks of Redis, and how it is answered.

use crate::gate::Place;
use plugin_sdk::abi::Status;
use plugin_sdk::{Acknowledgement, Error, Lookup};
use redis::{Cmd, ServerError, Value};
use std::time::Duration;

/// What is asked for; keys with their prefix.
pub(crate) enum Operation {
    Get { key: Vec<u8> },
    Set { key: Vec<u8>, value: Vec<u8>, time_to_live: Option<Duration> },
    Remove { key: Vec<u8> },
}

/// Where the answer goes.
pub(crate) enum Answer {
    Lookup(Lookup),
    Acknowledgement(Acknowledgement),
}

/// An open call. Answered as one whose Redis was lost if it is dropped.
pub(crate) struct Call {
    operation: Operation,
    answer: Option<Answer>,
    _place: Place,
}

/// More milliseconds than this are for ever: Redis adds them to those since 1970, in 64 bits.
const FOR_EVER: u128 = 1 << 60;

impl Call {
    pub(crate) fn new(operation: Operation, answer: Answer, place: Place) -> Call {
        Call { operation, answer: Some(answer), _place: place }
    }

    /// The command that asks for it.
    pub(crate) fn command(&self) -> Cmd {
        match &self.operation {
            Operation::Get { key } => build("GET", &[key]),
            Operation::Remove { key } => build("DEL", &[key]),
            Operation::Set { key, value, time_to_live } => {
                let mut command = build("SET", &[key, value]);
                if let Some(milliseconds) = milliseconds(*time_to_live) {
                    command.arg("PX").arg(milliseconds);
                }
                command
            }
        }
    }

    /// Answers with what Redis said.
    pub(crate) fn reply(mut self, value: Value) {
        match (self.answer.take(), value) {
            (Some(Answer::Lookup(lookup)), Value::BulkString(value)) => lookup.hit(&value),
            (Some(Answer::Lookup(lookup)), Value::Nil) => lookup.miss(),
            (Some(Answer::Acknowledgement(acknowledgement)), Value::Int(0)) => acknowledgement.not_found(),
            (Some(Answer::Acknowledgement(acknowledgement)), Value::Int(_) | Value::Okay) => {
                acknowledgement.done()
            }
            (Some(answer), Value::ServerError(error)) => answer.fail(&refused(&error)),
            (Some(answer), _) => {
                answer.fail(&Error::new("Redis gave an answer of another kind than was asked for"))
            }
            (None, _) => {}
        }
    }

    pub(crate) fn fail(mut self, error: &Error) {
        if let Some(answer) = self.answer.take() {
            answer.fail(error);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer.fail(&Error::unavailable("the connection to Redis was lost before it answered"));
        }
    }
}

impl Answer {
    pub(crate) fn fail(self, error: &Error) {
        match self {
            Answer::Lookup(lookup) => lookup.fail(error),
            Answer::Acknowledgement(acknowledgement) => acknowledgement.fail(error),
        }
    }
}

fn build(name: &str, arguments: &[&Vec<u8>]) -> Cmd {
    let mut command = redis::cmd(name);
    for argument in arguments {
        command.arg(argument.as_slice());
    }
    command
}

/// At least one, as Redis refuses none; `None` for ever.
fn milliseconds(time_to_live: Option<Duration>) -> Option<u64> {
    let milliseconds = time_to_live?.as_millis();
    (milliseconds < FOR_EVER).then(|| u64::try_from(milliseconds).unwrap_or(u64::MAX).max(1))
}

/// What Redis refused one command with. The codes are those that redis.io documents with its errors.
fn refused(error: &ServerError) -> Error {
    let status = match error.code() {
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => Status::UNAVAILABLE,
        "OOM" => Status::LIMIT_EXCEEDED,
        _ => Status::FAILED,
    };
    Error::with_status(
        status,
        format!("Redis answered {} {}", error.code(), error.details().unwrap_or_default()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_what_redis_takes() {
        assert_eq!(milliseconds(None), None);
        assert_eq!(milliseconds(Some(Duration::MAX)), None);
        assert_eq!(milliseconds(Some(Duration::ZERO)), Some(1));
        assert_eq!(milliseconds(Some(Duration::from_micros(1_500))), Some(1));
        assert_eq!(milliseconds(Some(Duration::from_secs(15))), Some(15_000));
    }
}
