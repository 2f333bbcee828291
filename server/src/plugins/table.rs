//! What requests look at: the handlers on their routes and the middlewares in their order, replaced whole.

use std::sync::Arc;

use plugin_host::{HandlerInstance, MiddlewareInstance, Registry, Slot};

use super::installed::Installed;
use super::state::{Family, RefusedState};
use crate::options::PluginOptions;
use crate::router::Router;

/// The plugins as requests meet them, as of one moment.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) router: Router<Handler>,
    /// In the order in which a request meets them.
    pub(crate) middlewares: Vec<Middleware>,
    /// Whether calls of any of them all may take long.
    pub(crate) has_blocking: bool,
    /// Middlewares that are required and not there. While there is one, nothing is served.
    pub(crate) missing_middlewares: Vec<String>,
    /// Handlers whose route belongs to another.
    pub(super) conflicts: Vec<RefusedState>,
}

/// A handler on its route: whichever version of the plugin is active.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) slot: Arc<Slot<Installed<HandlerInstance>>>,
    /// Whether its calls may take long.
    pub(crate) blocking: bool,
}

/// A middleware: whichever version of the plugin is active.
#[derive(Clone, Debug)]
pub(crate) struct Middleware {
    pub(crate) slot: Arc<Slot<Installed<MiddlewareInstance>>>,
    /// Whether its calls may take long.
    pub(crate) blocking: bool,
}

impl Table {
    /// Lays what the registries hold on routes and in order. On a route of `before` its handler stays; otherwise the first by
    /// name has it.
    pub(super) fn lay_out(
        handlers: &Registry<Installed<HandlerInstance>>,
        middlewares: &Registry<Installed<MiddlewareInstance>>,
        options: &PluginOptions,
        before: Option<&Table>,
    ) -> Self {
        let mut table = Self {
            router: Router::new(),
            middlewares: in_order(middlewares, options),
            has_blocking: false,
            missing_middlewares: Vec::new(),
            conflicts: Vec::new(),
        };
        table.missing_middlewares = options
            .required_middlewares()
            .into_iter()
            .filter(|name| table.middlewares.iter().all(|middleware| middleware.slot.name() != *name))
            .map(str::to_owned)
            .collect();
        let had_its_route = |name: &str, route: &str| {
            before
                .and_then(|before| before.router.get(route))
                .is_some_and(|handler| handler.slot.name() == name)
        };
        let mut wanted: Vec<(String, Handler)> = handlers
            .slots()
            .into_iter()
            .map(|slot| {
                let options = options.handlers.get(slot.name());
                let route = match options.and_then(|options| options.mount.as_ref()) {
                    Some(mount) => mount.0.clone(),
                    None => slot.current().instance.route().to_owned(),
                };
                (route, Handler { slot, blocking: options.is_some_and(|options| options.blocking) })
            })
            .collect();
        // Stable: among the others the order of the names remains.
        wanted.sort_by_key(|(route, handler)| !had_its_route(handler.slot.name(), route));
        for (route, handler) in wanted {
            let methods = handler.slot.current().instance.methods().to_vec();
            if let Err((late, keeper)) = table.router.add(&route, methods, handler) {
                let conflict = conflict(&route, &late, keeper);
                table.conflicts.push(conflict);
            }
        }
        table.has_blocking = table.middlewares.iter().any(|middleware| middleware.blocking)
            || table.router.iter().any(|(_, handler)| handler.blocking);
        table
    }

    /// The route of a handler, if it has one.
    pub(super) fn route_of(&self, name: &str) -> Option<&str> {
        self.router.iter().find(|(_, handler)| handler.slot.name() == name).map(|(route, _)| route)
    }
}

/// The middlewares that the options order, then the others by name.
fn in_order(
    middlewares: &Registry<Installed<MiddlewareInstance>>,
    options: &PluginOptions,
) -> Vec<Middleware> {
    let mut slots = middlewares.slots();
    let place = |name: &str| {
        options.middleware_order.iter().position(|ordered| ordered == name).unwrap_or(usize::MAX)
    };
    slots.sort_by_key(|slot| place(slot.name()));
    slots
        .into_iter()
        .map(|slot| {
            let blocking = options.middlewares.get(slot.name()).is_some_and(|options| options.blocking);
            Middleware { slot, blocking }
        })
        .collect()
}

fn conflict(route: &str, late: &Handler, keeper: &Handler) -> RefusedState {
    let (name, version) = (late.slot.name(), late.slot.version());
    let path = late.slot.current().path().map_or_else(|| name.into(), ToOwned::to_owned);
    let reason = format!(
        "{name} {version} wants the route {route}, which {} {} has; mount one of them elsewhere, with \
         [handlers.{name}] mount in the configuration file",
        keeper.slot.name(),
        keeper.slot.version(),
    );
    RefusedState { kind: Family::Handler, path, code: "route.taken".to_owned(), reason }
}
