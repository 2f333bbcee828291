//! Imports and exports: NDJSON, an entry a line, in streams of any length and little memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::body::{Body, PATIENCE};
use super::refusal::{RETRY_AFTER, Refusal};
use super::{Api, entry, respond};
use crate::store::{Before, Change};
use crate::writer::Refused;

/// Bytes that are written at once.
const PART: usize = 64 * 1024;
/// Parts that wait for a slow client.
const WAITING_PARTS: usize = 4;
/// Most bytes of a line.
const LONGEST_LINE: usize = 64 * 1024;
/// Changes of one transaction.
const BATCH: usize = 4_096;
/// Refused lines that are told one by one.
const TOLD: usize = 100;
/// How often a full queue is tried again, and how long after.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(20);

pub(super) async fn export(api: &Api) -> Result<Response<Body>, Refusal> {
    let (sender, receiver) = mpsc::channel(WAITING_PARTS);
    let (store, tally) = (Arc::clone(&api.store), Arc::clone(&api.tally));
    // Opened here, so that a store that fails is an answer.
    let view = store.view().map_err(|error| api.not_read(&error))?;
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut part = Vec::with_capacity(PART + 1_024);
        // False when the client has gone, or takes nothing: its view would keep the store from reusing its space.
        let send = |part: Vec<u8>| {
            runtime
                .block_on(timeout(PATIENCE, sender.send(Ok(Bytes::from(part)))))
                .is_ok_and(|sent| sent.is_ok())
        };
        let mut is_taken = true;
        let walked = view.walk(None, |entry| {
            part.extend(entry::write(&entry).to_string().bytes());
            part.push(b'\n');
            if part.len() >= PART {
                is_taken = send(std::mem::replace(&mut part, Vec::with_capacity(PART + 1_024)));
            }
            is_taken
        });
        if let Err(error) = walked {
            tally.store_failed(&error);
            let _ = sender.blocking_send(Err(io::Error::other("the store cannot be read")));
        } else if !is_taken {
            let _ = sender.try_send(Err(io::ErrorKind::TimedOut.into()));
        } else if !part.is_empty() {
            send(part);
        }
    });
    Ok(respond_with(Body::Stream(receiver)))
}

fn respond_with(body: Body) -> Response<Body> {
    let mut response = respond("application/x-ndjson", "");
    *response.body_mut() = body;
    response
}

/// How an import went.
#[derive(Debug, Default)]
struct Report {
    created: u64,
    updated: u64,
    refused: u64,
    /// Lines and reasons, the first [`TOLD`] of them.
    told: Vec<(u64, String)>,
}

/// An import that is under way.
struct Import<'a> {
    api: &'a Api,
    report: Report,
    lines: u64,
    batch: Vec<Change>,
}

pub(super) async fn import(api: &Api, mut body: Incoming) -> Result<Response<Body>, Refusal> {
    let mut import = Import { api, report: Report::default(), lines: 0, batch: Vec::new() };
    let (mut rest, mut too_long) = (Vec::new(), false);
    loop {
        let frame = match timeout(PATIENCE, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                return Ok(import.stopped(StatusCode::BAD_REQUEST, "the body ended too early"));
            }
            Err(_) => return Ok(import.stopped(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        };
        let Ok(part) = frame.into_data() else { continue };
        let mut left = &part[..];
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            rest.extend(&left[..end]);
            left = &left[end + 1..];
            let line = std::mem::take(&mut rest);
            if let Err(refused) = import.line(&line, std::mem::take(&mut too_long)).await {
                return Ok(import.stopped(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string()));
            }
        }
        if rest.len() + left.len() > LONGEST_LINE {
            // The rest of that line is read and forgotten.
            too_long = true;
            rest.clear();
        } else {
            rest.extend(left);
        }
    }
    let last = async {
        if !rest.is_empty() || too_long {
            import.line(&rest, too_long).await?;
        }
        import.flush().await
    };
    match last.await {
        Ok(()) if import.report.refused == 0 => Ok(import.report.into_response(StatusCode::OK, None)),
        Ok(()) => Ok(import.report.into_response(
            StatusCode::UNPROCESSABLE_ENTITY,
            Some("some lines could not be taken; all others are in the map"),
        )),
        Err(refused) => Ok(import.stopped(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string())),
    }
}

impl Import<'_> {
    async fn line(&mut self, line: &[u8], too_long: bool) -> Result<(), Refused> {
        self.lines += 1;
        let read = match line.trim_ascii() {
            _ if too_long || line.len() > LONGEST_LINE => {
                Err(Refusal::bad(format!("it has more than {LONGEST_LINE} bytes")))
            }
            b"" => return Ok(()),
            line => entry::read(line),
        };
        match read {
            Ok(entry) => self.batch.push((entry.pattern, Some(entry.upstreams))),
            Err(refusal) => {
                self.report.refused += 1;
                if self.report.told.len() < TOLD {
                    self.report.told.push((self.lines, refusal.sentence));
                }
            }
        }
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Refused> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let mut attempts = 1..=ATTEMPTS;
        let before = loop {
            match self.api.writer.apply(batch.clone()).await {
                Err(Refused::Busy) if attempts.next().is_some() => sleep(PAUSE).await,
                outcome => break outcome?,
            }
        };
        let updated = before.iter().filter(|before| **before == Before::AnEntry).count() as u64;
        self.report.updated += updated;
        self.report.created += before.len() as u64 - updated;
        Ok(())
    }

    /// What was not read is not known; what was read and not yet written is not in the map, or not known to be there.
    fn stopped(self, status: StatusCode, reason: &str) -> Response<Body> {
        let sentence = format!("{reason}; what is counted here is in the map, send the whole import again");
        self.report.into_response(status, Some(&sentence))
    }
}

impl Report {
    fn into_response(self, status: StatusCode, error: Option<&str>) -> Response<Body> {
        let told: Vec<Value> =
            self.told.iter().map(|(line, error)| json!({ "line": line, "error": error })).collect();
        let again = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER);
        let mut report = json!({
            "created": self.created,
            "updated": self.updated,
            "refused": self.refused,
            "refusals": told,
        });
        if let Some(error) = error {
            report["error"] = error.into();
        }
        let mut response = super::json(status, &report);
        if let Some(seconds) = again {
            response.headers_mut().insert(hyper::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
