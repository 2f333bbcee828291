//! The plugins as the application of the HTTP front.

use http_front::{Application, Reply, Request, WholeRequest};
use hyper::{StatusCode, Version};
use plugin_host::HttpVersion;

use crate::chain::{Chain, refusal};
use crate::response::Answer;

/// Answers requests by the plugins.
pub(crate) struct Plugins {
    chain: Chain,
}

/// The request may take long and is for another thread.
pub(crate) struct MayBlock;

impl Plugins {
    pub(crate) fn new(chain: Chain) -> Self {
        Self { chain }
    }
}

impl Application for Plugins {
    type Answer = Answer;
    type Begun = MayBlock;

    fn answer(&self, request: &Request<'_>) -> Reply<Answer, MayBlock> {
        match self.chain.answer_unless_it_may_block(&lend(request)) {
            Some(answer) => Reply::Here(Answer(answer)),
            None => Reply::Begun(MayBlock),
        }
    }

    async fn finish(&self, _: MayBlock, request: WholeRequest) -> Answer {
        let chain = self.chain.clone();
        let answer = tokio::task::spawn_blocking(move || chain.answer(&lend(&request.lend())));
        // The task ends early only when the runtime does.
        Answer(answer.await.unwrap_or_else(|_| refusal(503)))
    }

    fn refuse(&self, status: StatusCode) -> Answer {
        Answer(refusal(status.as_u16()))
    }
}

/// The request in the form in which plugins are shown it.
fn lend<'a>(request: &Request<'a>) -> plugin_host::Request<'a> {
    plugin_host::Request {
        method: request.method.as_str(),
        path: request.uri.path(),
        query: request.uri.query(),
        mount: None,
        version: match request.version {
            Version::HTTP_10 => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        },
        peer: Some(request.client),
        headers: request.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect(),
        body: request.body,
    }
}
