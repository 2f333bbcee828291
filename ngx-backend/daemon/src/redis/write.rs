//! Makes the writer's changes in Redis.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::session::{Failure, Session, encoded};
use super::settings::Settings;
use super::state::State;
use crate::store::{Before, Change};
use crate::tally::Tally;
use crate::writer::{Keeper, Made, Refused};

/// Changes that the record keeps, roughly: a node that was away while more were made reads everything. Some ten megabytes.
const RECORDED: usize = 100_000;
/// After such a time without a word the connection is tried before it is used, since a change that is lost with it may have been made or not.
const QUIET: Duration = Duration::from_secs(5);

/// The way to Redis; belongs to the writer's thread.
pub(crate) struct Writing {
    settings: Arc<Settings>,
    state: Arc<State>,
    tally: Arc<Tally>,
    runtime: Runtime,
    connection: Option<Connection>,
}

struct Connection {
    session: Session,
    /// What the thread that follows had counted when it was made.
    number: u64,
    used: Instant,
}

impl Writing {
    /// # Errors
    /// If the system has no descriptor left.
    pub(crate) fn new(settings: Arc<Settings>, state: Arc<State>, tally: Arc<Tally>) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { settings, state, tally, runtime, connection: None })
    }

    async fn connection(
        settings: &Settings,
        state: &State,
        former: Option<Connection>,
    ) -> Result<Connection, Refused> {
        let number = state.numbers.connections.load(Ordering::Relaxed);
        // Redis was not away since, as far as the other connection could tell.
        if let Some(mut connection) = former.filter(|connection| connection.number == number)
            && (connection.used.elapsed() < QUIET || connection.session.ping().await.is_ok())
        {
            return Ok(connection);
        }
        match Session::open(&settings.target, &settings.keys).await {
            Ok(session) => Ok(Connection { session, number, used: Instant::now() }),
            Err(trouble) => Err(Refused::Away(Arc::from(trouble.to_string()))),
        }
    }
}

impl Keeper for Writing {
    fn apply(&mut self, changes: Vec<Change>) -> Result<Made, Refused> {
        if let Some(reason) = self.state.reason() {
            return Err(Refused::Away(reason));
        }
        let Self { settings, state, tally, runtime, connection } = self;
        let former = connection.take();
        runtime.block_on(async {
            let mut now = Self::connection(settings, state, former).await?;
            let outcome = now.session.apply(&arguments(state.followed(), &changes)).await;
            match outcome {
                Ok((revision, before)) if before.len() == changes.len() => {
                    tally.well("store");
                    now.used = Instant::now();
                    *connection = Some(now);
                    let before = before
                        .into_iter()
                        .map(|was_there| if was_there { Before::AnEntry } else { Before::Nothing });
                    Ok(Made { before: before.collect(), revision: Some(revision) })
                }
                Ok(_) => Err(Refused::Unknown(Arc::from("Redis told of another number of changes"))),
                Err(Failure::Refused { code, .. }) if code == "BEHIND" => Err(Refused::Away(Arc::from(
                    "Redis has another map than this daemon followed, which now reads it anew",
                ))),
                // Another Redis may be there when the name is looked up again.
                Err(refused @ Failure::Refused { .. }) => {
                    let sentence = now.session.sentence(refused);
                    tally.trouble("store", sentence.clone());
                    Err(Refused::Away(Arc::from(sentence)))
                }
                Err(lost @ Failure::Lost(_)) => Err(Refused::Unknown(Arc::from(now.session.sentence(lost)))),
            }
        })
    }
}

/// What the script wants (see `apply.lua`).
fn arguments(followed: u64, changes: &[Change]) -> Vec<Vec<u8>> {
    let numbers =
        [followed, redis_link::random(), RECORDED as u64].map(|number| number.to_string().into_bytes());
    let changes = changes.iter().flat_map(|(pattern, upstreams)| {
        [pattern.key().to_vec(), upstreams.as_ref().map(encoded).unwrap_or_default()]
    });
    numbers.into_iter().chain(changes).collect()
}
