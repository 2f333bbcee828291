//! What is asked of the server, and what it should answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::Client;
use reqwest::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use server_e2e::flags::Scenario;

/// A route of nobody.
const NOWHERE: &str = "/no/such/route";

/// What is wrong with an answer.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It is another than it should be.
    Answer(String),
    /// It did not come in time.
    Late(String),
    /// There was none: the connection broke, or there was no HTTP on it.
    Connection(String),
}

/// An answer, as far as it is looked at.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

/// A client that waits no longer than `patience` for an answer, heeds no proxy and sends `headers` with every request.
pub(crate) fn client(patience: Duration, headers: &[(String, String)]) -> Result<Client, String> {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        let wrong = |error: &dyn std::error::Error| format!("`{name}: {value}` is no header field: {error}");
        let field = HeaderName::try_from(name).map_err(|error| wrong(&error))?;
        fields.append(field, HeaderValue::try_from(value).map_err(|error| wrong(&error))?);
    }
    Client::builder()
        .no_proxy()
        .timeout(patience)
        .default_headers(fields)
        .build()
        .map_err(|error| format!("cannot make a client: {error}"))
}

/// Asks for each path of the scenario, whose answer has to contain the text beside it, in every way there is, and for what nobody has.
/// Gives what `GET` of the first was answered.
pub(crate) fn check_all(client: &Client, address: SocketAddr, scenario: &Scenario) -> Result<String, Wrong> {
    let mut first = None;
    for (path, text) in &scenario.asks {
        let body = check(client, address, path, text)?;
        if !scenario.answers_everything {
            check_refusal(client, address, path)?;
        }
        first.get_or_insert(body);
    }
    if !scenario.answers_everything {
        send(client, Method::GET, address, NOWHERE)?.has("GET of a route of nobody", 404)?;
    }
    Ok(first.unwrap_or_default())
}

/// `GET` of `path` contains `text`, and `HEAD` announces as much.
fn check(client: &Client, address: SocketAddr, path: &str, text: &str) -> Result<String, Wrong> {
    let ask = |method: Method| send(client, method, address, path);
    let what = format!("GET {path}");
    let get = ask(Method::GET)?;
    get.has(&what, 200)?;
    if !get.body.contains(text) {
        return Err(Wrong::Answer(format!("{what}: {:?} does not contain {text:?}", get.body)));
    }
    if is_object(&get.body) {
        get.has_header(&what, CONTENT_TYPE, "application/json")?;
    }

    let what = format!("HEAD {path}");
    let head = ask(Method::HEAD)?;
    head.has(&what, 200)?;
    head.has_header(&what, CONTENT_LENGTH, &get.body.len().to_string())?;

    Ok(get.body)
}

/// Nothing else is allowed there.
fn check_refusal(client: &Client, address: SocketAddr, path: &str) -> Result<(), Wrong> {
    let post = send(client, Method::POST, address, path)?;
    post.has(&format!("POST {path}"), 405)?;
    let allowed: BTreeSet<&str> = post.header(ALLOW).split(',').map(str::trim).collect();
    if allowed != BTreeSet::from(["GET", "HEAD"]) {
        return Err(Wrong::Answer(format!("POST {path}: Allow is {allowed:?}, should be GET and HEAD")));
    }
    Ok(())
}

fn send(client: &Client, method: Method, address: SocketAddr, path: &str) -> Result<Answer, Wrong> {
    let what = format!("{method} {path}");
    let failed = |error: reqwest::Error| {
        let message = format!("{what}: {}", chain(&error));
        if error.is_timeout() { Wrong::Late(message) } else { Wrong::Connection(message) }
    };
    let response =
        client.request(method.clone(), format!("http://{address}{path}")).send().map_err(failed)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.text().map_err(failed)? })
}

/// Whether `body` is an object in JSON.
fn is_object(body: &str) -> bool {
    serde_json::from_str::<serde_json::Map<_, _>>(body).is_ok()
}

impl Answer {
    fn has(&self, what: &str, status: u16) -> Result<(), Wrong> {
        if self.status == status {
            return Ok(());
        }
        Err(Wrong::Answer(format!("{what}: status {}, should be {status}", self.status)))
    }

    fn has_header(&self, what: &str, name: HeaderName, value: &str) -> Result<(), Wrong> {
        let found = self.header(name.clone());
        if found == value {
            return Ok(());
        }
        Err(Wrong::Answer(format!("{what}: {name} is {found:?}, should be {value:?}")))
    }

    /// Its first value; empty if it has none.
    fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An error with its causes, without the address, whose port is another in each run.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::from("no answer");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_one_whole() {
        assert!(is_object(r#"{"ip": "10.0.0.1"}"#) && is_object("{}"));
        for other in ["127.0.0.1", "[]", "{", "{} {}", ""] {
            assert!(!is_object(other), "{other}");
        }
    }
}
