//! Where things lie in the image. Everything that is written while it runs is below `/run`, `/tmp` and `/var/lib/backend`.

/// Programs.
pub(crate) const NGINX: &str = "/usr/sbin/nginx";
pub(crate) const DAEMON: &str = "/usr/bin/backend";

/// What nginx's configuration is made of.
pub(crate) const TEMPLATE: &str = "/etc/ngx-backend/nginx.conf.in";

/// Of nginx: its configuration, its process number, and the socket that [`HEALTH_SOCKET`] names.
pub(crate) const NGINX_FOLDER: &str = "/run/nginx";
pub(crate) const CONFIGURATION: &str = "/run/nginx/nginx.conf";
/// At which the template has nginx answer with the daemon's health.
pub(crate) const HEALTH_SOCKET: &str = "/run/nginx/health.sock";
/// Bodies that nginx does not keep in memory.
pub(crate) const TEMPORARY: &str = "/tmp/nginx";

/// Of the daemon.
pub(crate) const API_SOCKET: &str = "/run/backend/api.sock";
pub(crate) const RESOLVER_SOCKET: &str = "/run/backend/resolver.sock";
pub(crate) const PUBLISHED: &str = "/run/backend/map";
pub(crate) const STORE: &str = "/var/lib/backend";
