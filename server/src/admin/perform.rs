//! One request in, one answer out: reads the state, carries out orders.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_front::admin::{Operated, Refusal, json, respond};
use http_front::metrics::CONTENT_TYPE;
use http_front::{Response, ServerStats, Stop};
use hyper::StatusCode;
use hyper::http::request::Parts;
use semver::Version;

use super::answer::{ChangeAnswer, PluginsAnswer, RefusedAnswer, ReloadAnswer, health};
use super::metrics;
use super::request::{Change, Order, order};
use crate::plugins::{Control, ControlError, Family};

/// What the admin side sees of the server.
pub(crate) struct View {
    plugins: Control,
    server: Arc<ServerStats>,
    stop: Stop,
    started: SystemTime,
}

impl View {
    /// Of a server that starts now.
    pub(crate) fn new(plugins: Control, server: Arc<ServerStats>, stop: Stop) -> Self {
        Self { plugins, server, stop, started: SystemTime::now() }
    }

    async fn carry_out(&self, order: Order) -> Result<Response, Refusal> {
        Ok(match order {
            Order::Plugins => {
                let state = self.plugins.state();
                let answer =
                    PluginsAnswer { plugins: state.plugins, missing_middlewares: state.missing_middlewares };
                json(StatusCode::OK, &answer)
            }
            Order::Refused => json(StatusCode::OK, &RefusedAnswer { refused: self.plugins.state().refused }),
            Order::Health => {
                let health = health(&self.plugins.state(), self.stop.is_told());
                let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                json(status, &health)
            }
            Order::Live => json(StatusCode::OK, &serde_json::json!({ "live": true })),
            Order::Metrics => {
                let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
                let text = metrics::write(&self.plugins.state(), &self.server.state(), started)
                    .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error))?;
                respond(StatusCode::OK, CONTENT_TYPE, text)
            }
            Order::Reload => {
                tracing::info!("an operator wants the plugin root to be looked at");
                self.plugins.reload().await.map_err(refusal)?;
                json(StatusCode::OK, &ReloadAnswer::of(&self.plugins.state()))
            }
            Order::Change { kind, name, change } => {
                let active = self.change(kind, &name, &change)?.to_string();
                tracing::info!(%kind, plugin = name, ?change, active, "changed by an operator");
                json(StatusCode::OK, &ChangeAnswer { active })
            }
        })
    }

    /// Gives the version that is active then.
    fn change(&self, kind: Family, name: &str, change: &Change) -> Result<Version, Refusal> {
        let parse = |version: &str| {
            Version::parse(version).map_err(|error| {
                Refusal::bad(format!("{version:?} is no version: {error}; write it like 1.2.3"))
            })
        };
        let changed = match change {
            Change::RollBack => self.plugins.roll_back(kind, name),
            Change::Quarantine(None) => self.plugins.quarantine(kind, name, None),
            Change::Quarantine(Some(version)) => self.plugins.quarantine(kind, name, Some(&parse(version)?)),
            Change::Release(version) => self.plugins.release(kind, name, &parse(version)?),
        };
        changed.map_err(refusal)
    }
}

impl Operated for View {
    async fn answer(&self, head: &Parts) -> Result<Response, Refusal> {
        let order = order(&head.method, head.uri.path(), head.uri.query())?;
        self.carry_out(order).await
    }
}

fn refusal(error: ControlError) -> Refusal {
    let status = match &error {
        ControlError::NotFound(_) => StatusCode::NOT_FOUND,
        ControlError::Refused(_) => StatusCode::CONFLICT,
        ControlError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal::new(status, error.to_string())
}
