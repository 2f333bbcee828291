//! Single entries, and pages of them.

use backend_map::{Entry, Pattern};
use hyper::body::Incoming;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use super::body::{self, Body};
use super::refusal::Refusal;
use super::{Api, entry, json};
use crate::store::Before;

/// Entries of a page, if nobody says how many.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 10_000;
/// Entries that are looked at for one page at most, so that a filter that little passes does not take for ever; the page has a `next` then all
/// the same.
const LOOKED_AT: usize = 200_000;
/// What need not be encoded in a path (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which entries are wanted.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    limit: usize,
    after: Option<Pattern>,
    host: String,
    backend: String,
}

pub(super) async fn list(api: &Api, query: &str) -> Result<Response<Body>, Refusal> {
    let Query { limit, after, host, backend } = read_query(query)?;
    let filters = (host.clone(), backend.clone());
    let (found, last) = api
        .read(move |view| {
            let (mut found, mut looked_at, mut last) = (Vec::new(), 0, None);
            view.walk(after.as_ref(), |entry| {
                if found.len() == limit || looked_at == LOOKED_AT {
                    // There is more: the next page begins behind the last one that was looked at.
                    return false;
                }
                looked_at += 1;
                if is_wanted(&entry, &host, &backend) {
                    found.push(entry::write(&entry));
                }
                last = Some(entry.pattern);
                true
            })?;
            let complete = found.len() < limit && looked_at < LOOKED_AT;
            Ok((found, last.filter(|_| !complete)))
        })
        .await?;
    let next = last.map(|last| next_page(&last, limit, &filters));
    Ok(json(StatusCode::OK, &json!({ "entries": found, "next": next })))
}

pub(super) async fn put(api: &Api, body: Incoming) -> Result<Response<Body>, Refusal> {
    let entry = entry::read(&body::read(body).await?)?;
    let answer = entry::write(&entry);
    let location = format!("/entries/{}.json", encode(&entry.pattern.to_string()));
    let before = api.writer.apply(vec![(entry.pattern, Some(entry.upstreams))]).await;
    match before.map_err(Refusal::not_written)?.first() {
        Some(Before::AnEntry) => Ok(json(StatusCode::OK, &answer)),
        _ => {
            let mut response = json(StatusCode::CREATED, &answer);
            if let Ok(location) = HeaderValue::try_from(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            Ok(response)
        }
    }
}

pub(super) async fn get(api: &Api, host: &str) -> Result<Response<Body>, Refusal> {
    let pattern = entry::pattern(host)?;
    let of_view = pattern.clone();
    match api.read(move |view| view.get(&of_view)).await? {
        Some(upstreams) => Ok(json(StatusCode::OK, &entry::write(&Entry { pattern, upstreams }))),
        None => Err(no_entry(&pattern)),
    }
}

pub(super) async fn delete(api: &Api, host: &str) -> Result<Response<Body>, Refusal> {
    let pattern = entry::pattern(host)?;
    let before = api.writer.apply(vec![(pattern.clone(), None)]).await;
    match before.map_err(Refusal::not_written)?.first() {
        Some(Before::AnEntry) => {
            let mut response = Response::new(Body::Whole(None));
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        _ => Err(no_entry(&pattern)),
    }
}

fn no_entry(pattern: &Pattern) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no entry for {pattern}"))
}

fn is_wanted(entry: &Entry, host: &str, backend: &str) -> bool {
    (host.is_empty() || entry.pattern.to_string().contains(host))
        && (backend.is_empty() || entry.upstreams.iter().any(|one| one.address.to_string().contains(backend)))
}

fn next_page(last: &Pattern, limit: usize, (host, backend): &(String, String)) -> Value {
    let mut next = format!("/entries.json?after={}&limit={limit}", encode(&last.to_string()));
    for (name, value) in [("host", host), ("backend", backend)] {
        if !value.is_empty() {
            next += &format!("&{name}={}", encode(value));
        }
    }
    next.into()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn read_query(query: &str) -> Result<Query, Refusal> {
    let mut read = Query { limit: PAGE, after: None, host: String::new(), backend: String::new() };
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| Refusal::bad(format!("{name} is no UTF-8 when decoded")))?;
        match name {
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                read.limit = limit
                    .ok_or_else(|| Refusal::bad(format!("limit: write a number from 1 to {LARGEST_PAGE}")))?;
            }
            "after" => read.after = Some(entry::pattern(&value)?),
            // Hosts are kept in lower case.
            "host" => read.host = value.to_ascii_lowercase(),
            "backend" => read.backend = value.into_owned(),
            _ => {
                return Err(Refusal::bad(format!(
                    "the parameter {name:?} is not known; there are limit, after, host and backend"
                )));
            }
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_or_the_mistake_is_named() {
        let query = read_query("limit=5&after=%2A.a&host=B.&backend=%5B::1%5D").unwrap();
        let after = Some(Pattern::parse("*.a").unwrap());
        let expected = Query { limit: 5, after, host: "b.".to_owned(), backend: "[::1]".to_owned() };
        assert_eq!(query, expected);
        assert_eq!(read_query("").unwrap().limit, PAGE);
        for (query, part) in [
            ("limit=0", "limit: write a number from 1"),
            ("limit=10001", "limit: write"),
            ("limit=x", "limit: write"),
            ("after=a/b", "host \"a/b\""),
            ("page=2", "the parameter \"page\" is not known"),
            ("host=%ff", "host is no UTF-8"),
        ] {
            let refusal = read_query(query).unwrap_err();
            assert!(refusal.sentence.contains(part), "{query}: {}", refusal.sentence);
        }
    }
}
