//! Downloads over http(s): a few tries, a known length, progress, and errors that tell "gone" from "unreachable".

use std::io::{self, Read, Write};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::mirror;

const TRIES: u32 = 4;
/// Tests have nothing to wait for.
const FIRST_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 300 });

/// An http client that honours the environment's proxy, else apt's.
pub(super) struct Client {
    agent: ureq::Agent,
    pause: Duration,
}

/// Why a download failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    /// The server answers, and does not have it (404 or 410).
    #[error("{address} is not there (HTTP status {status})")]
    Gone { address: String, status: u16 },
    /// The server cannot be reached or answers with an error, after several tries.
    #[error("cannot download {address} ({TRIES} tries): {reason}")]
    Unreachable { address: String, reason: String },
    /// The receiving side failed, for instance a full disk.
    #[error("cannot store what {address} sends")]
    Store {
        address: String,
        #[source]
        source: io::Error,
    },
}

impl Client {
    pub(super) fn new() -> Client {
        let proxy = ureq::Proxy::try_from_env()
            .or_else(|| mirror::apt_proxy().and_then(|address| ureq::Proxy::new(&address).ok()));
        let verifier = ureq::tls::RootCerts::PlatformVerifier;
        let agent = ureq::Agent::config_builder()
            .proxy(proxy)
            .tls_config(ureq::tls::TlsConfig::builder().root_certs(verifier).build())
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_recv_body(Some(Duration::from_secs(30 * 60)))
            .user_agent("dynlab")
            .build()
            .new_agent();
        Client { agent, pause: FIRST_PAUSE }
    }

    /// Downloads `address` into what `open` gives. Each try starts with a fresh one. `progress` gets the length of
    /// each piece.
    pub(super) fn download<W: Write>(
        &self,
        address: &str,
        mut open: impl FnMut() -> io::Result<W>,
        progress: &dyn Fn(Progress),
    ) -> Result<W, DownloadError> {
        let mut pause = self.pause;
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                progress(Progress::Restarted);
                thread::sleep(pause);
                pause *= 3;
            }
            let mut response = match self.agent.get(address).call() {
                Ok(response) => response,
                Err(ureq::Error::StatusCode(status @ (404 | 410))) => {
                    return Err(DownloadError::Gone { address: address.to_owned(), status });
                }
                Err(error) => {
                    reason = error.to_string();
                    continue;
                }
            };
            let store = |source| DownloadError::Store { address: address.to_owned(), source };
            let mut into = open().map_err(store)?;
            match copy(response.body_mut().as_reader(), &mut into, progress) {
                Ok(()) => return Ok(into),
                Err(Broken::Reading(error)) => reason = error.to_string(),
                Err(Broken::Writing(source)) => return Err(store(source)),
            }
        }
        Err(DownloadError::Unreachable { address: address.to_owned(), reason })
    }

    /// Downloads something small into memory.
    pub(super) fn bytes(&self, address: &str) -> Result<Vec<u8>> {
        self.download(address, || Ok(Vec::new()), &|_| {}).map_err(|error| match error {
            DownloadError::Gone { .. } => anyhow!("{error}; check --mirror"),
            other => anyhow!("{other}; check the network, or give another mirror with --mirror URL"),
        })
    }
}

/// What happens during a download.
#[derive(Debug, Clone, Copy)]
pub(super) enum Progress {
    /// So many bytes more have come.
    Received(u64),
    /// What has come so far is thrown away.
    Restarted,
}

enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

fn copy(mut from: impl Read, into: &mut impl Write, progress: &dyn Fn(Progress)) -> Result<(), Broken> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return into.flush().map_err(Broken::Writing),
            Ok(length) => {
                into.write_all(&buffer[..length]).map_err(Broken::Writing)?;
                progress(Progress::Received(length as u64));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Broken::Reading(error)),
        }
    }
}
