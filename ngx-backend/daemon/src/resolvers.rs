//! Answers resolvers over their unix socket (see `backend_map::wire`), from the store, on a thread of its own.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use backend_map::wire::{self, Answer, GREETING};
use http_front::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::sockets::OwnSocket;
use crate::store::Store;
use crate::tally::{Tally, add};

/// Connections at once: one for each worker of nginx, and as many again while a reload lasts.
const MOST_CONNECTIONS: usize = 1_024;
/// For a client to say who it is, and to take its answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The thread, if there is a socket.
pub(crate) struct Resolvers(Option<JoinHandle<()>>);

/// Starts the thread; it ends when the process is told to stop.
pub(crate) fn start(
    socket: Option<OwnSocket>,
    store: Arc<Store>,
    tally: Arc<Tally>,
    stop: Stop,
) -> anyhow::Result<Resolvers> {
    let Some(socket) = socket else { return Ok(Resolvers(None)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        UnixListener::from_std(socket.listener()?)?
    };
    tracing::info!(path = %socket.path().display(), "resolvers are answered");
    let thread = thread::Builder::new()
        .name("resolvers".to_owned())
        .spawn(move || {
            runtime.block_on(accept(listener, store, tally, stop));
            drop(socket);
        })
        .context("cannot start a thread")?;
    Ok(Resolvers(Some(thread)))
}

impl Resolvers {
    pub(crate) fn end(self) {
        if let Some(thread) = self.0 {
            // A panic of the thread was reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Connections are cut when it ends: whoever asks tries again and finds the next daemon.
async fn accept(listener: UnixListener, store: Arc<Store>, tally: Arc<Tally>, mut stop: Stop) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.told() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (store, tally) = (Arc::clone(&store), Arc::clone(&tally));
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &store, &tally).await {
                        tracing::debug!(error = %error, "a resolver's connection ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept a resolver");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut stream: UnixStream, store: &Store, tally: &Tally) -> anyhow::Result<()> {
    let mut greeting = [0; GREETING.len()];
    timeout(PATIENCE, stream.read_exact(&mut greeting)).await.context("no greeting came")??;
    // Said to strangers, too: it tells them which version this is.
    stream.write_all(&GREETING).await?;
    anyhow::ensure!(greeting == GREETING, "a client of another version, or none");
    let (mut questions, mut answers) = (Vec::with_capacity(4_096), Vec::new());
    while stream.read_buf(&mut questions).await? > 0 {
        let mut read = 0;
        while let Some((number, host, length)) = wire::read_question(&questions[read..])? {
            read += length;
            add(&tally.questions, 1);
            let answer = match store.view().and_then(|view| view.resolve(&host)) {
                Ok(Some(upstreams)) => Answer::Found(upstreams),
                Ok(None) => Answer::NotKnown,
                Err(error) => {
                    tally.store_failed(&error);
                    Answer::Failed("the daemon cannot read its store".to_owned())
                }
            };
            wire::write_answer(&mut answers, number, &answer);
        }
        questions.drain(..read);
        timeout(PATIENCE, stream.write_all(&answers)).await.context("it takes no answers")??;
        answers.clear();
    }
    Ok(())
}
