//! What `export_plugin!` expands to: not for use by hand.

mod cache;
mod handler;
mod instance;
mod middleware;
mod resolver;
mod showcase;

pub use cache::OfCache;
pub use handler::OfHandler;
pub use middleware::OfMiddleware;
pub use resolver::OfResolver;
pub use showcase::OfShowcase;

use crate::guard::guard;
use crate::{Error, HostFacts};
use plugin_abi::{HostInfo, Kind, Status, TextSink};
use std::ffi::c_void;

/// Target triple this crate, and so the plugin, is compiled for.
pub const TARGET: &str = env!("DYNLAB_TARGET");
/// Compiler and its version.
pub const COMPILER: &str = env!("DYNLAB_COMPILER");
/// Profile, and whether a panic ends the process.
pub const PROFILE: &str =
    if cfg!(panic = "abort") { concat!(env!("DYNLAB_PROFILE"), "+abort") } else { env!("DYNLAB_PROFILE") };

/// The table of a plugin type in one of its roles.
pub trait Exported {
    /// The kind the table belongs to.
    const KIND: Kind;
    /// The table, constant and for ever.
    const TABLE: *const c_void;
}

/// Runs an author's `accept` at the edge.
///
/// # Safety
/// Called by the host with host facts and a sink that keep to the contract.
pub unsafe fn accept(
    host: *const HostInfo,
    reason: TextSink,
    accept: impl FnOnce(&HostFacts<'_>) -> Result<(), String>,
) -> Status {
    guard(reason, || {
        // SAFETY: the caller's promise.
        let host = unsafe { HostFacts::read(host) }?;
        match accept(&host) {
            Ok(()) => Ok(Status::OK),
            Err(because) => {
                // SAFETY: the caller's promise; the sink was passed to this call.
                unsafe { reason.put(&because) };
                Ok(Status::DECLINED)
            }
        }
    })
}

/// Checks at compile time what a host would refuse at run time.
const fn is_route(route: &str) -> bool {
    !route.is_empty() && route.as_bytes()[0] == b'/'
}

fn null(what: &str) -> Error {
    Error::invalid(format!("{what}: null pointer"))
}

/// Exports a plugin: writes its note, its descriptor and its entry symbol, and offers all of it as `PLUGIN` to programs
/// that link the crate instead of loading it. Once per crate, at its root.
///
/// ```text
/// export_plugin! {
///     name: "memory",                          // letters, digits, '-', '_', '.'; at most 63
///     cache: { "lru" => Lru, "fifo" => Fifo }, // or `cache: Lru` alone; handler, middleware, cache, resolver, showcase
///     version: "1.2.3",                        // optional; the package's version otherwise
///     entry: "my_symbol",                      // optional; made from the crate's name otherwise
///     accept: runs_here,                       // optional: fn(&HostFacts<'_>) -> Result<(), String>
/// }
/// ```
///
/// The keys come in this order. The first factory is the default; one that is given alone is named `default`. The digest of the sources is taken from
/// the environment variable `DYNLAB_SOURCE_DIGEST_<package>` of the compilation, `unknown` without it.
#[macro_export]
macro_rules! export_plugin {
    (
        name: $name:expr,
        $kind:ident: { $($factory:literal => $type:ty),+ $(,)? }
        $(, version: $version:expr)?
        $(, entry: $entry:expr)?
        $(, accept: $accept:path)?
        $(,)?
    ) => {
        /// This plugin, for programs that link it instead of loading it.
        pub static PLUGIN: $crate::abi::StaticPlugin = {
            use $crate::abi::{Factory, HostInfo, Identity, Note, PluginDescriptor, SizeFirst, Status, Text, TextSink};

            const IDENTITY: Identity<'static> = Identity {
                abi_major: $crate::abi::ABI_MAJOR,
                abi_minor: $crate::abi::ABI_MINOR,
                kind: $crate::export_plugin!(@kind $kind).code(),
                name: $name,
                version: $crate::export_plugin!(@or ($($version)?) (env!("CARGO_PKG_VERSION"))),
                entry: $crate::export_plugin!(@or ($($entry)?) (concat!("dynlab_plugin_", env!("CARGO_CRATE_NAME")))),
                target: $crate::export::TARGET,
                compiler: $crate::export::COMPILER,
                profile: $crate::export::PROFILE,
                source_digest: match option_env!(concat!("DYNLAB_SOURCE_DIGEST_", env!("CARGO_PKG_NAME"))) {
                    Some(digest) => digest,
                    None => "unknown",
                },
            };

            #[used]
            #[link_section = ".note.dynlab"]
            static NOTE: Note = Note::new(&IDENTITY);

            const FACTORIES: &[Factory] = &[$(
                Factory {
                    size: <Factory as SizeFirst>::SIZE,
                    reserved: 0,
                    name: Text::new($factory),
                    table: <$crate::export_plugin!(@role $kind $type) as $crate::export::Exported>::TABLE,
                },
            )+];

            $crate::export_plugin!(@accept $($accept)?);

            #[export_name = $crate::export_plugin!(@or ($($entry)?) (concat!("dynlab_plugin_", env!("CARGO_CRATE_NAME"))))]
            static DESCRIPTOR: PluginDescriptor = PluginDescriptor {
                size: <PluginDescriptor as SizeFirst>::SIZE,
                abi_major: IDENTITY.abi_major,
                abi_minor: IDENTITY.abi_minor,
                kind: IDENTITY.kind,
                flags: 0,
                accept: ACCEPT,
                factories: FACTORIES.as_ptr(),
                factory_count: FACTORIES.len(),
            };

            $crate::abi::StaticPlugin { note: &NOTE, descriptor: &DESCRIPTOR }
        };
    };

    (@or ($given:expr) ($default:expr)) => { $given };
    (@or () ($default:expr)) => { $default };

    (@kind handler) => { $crate::abi::Kind::Handler };
    (@kind middleware) => { $crate::abi::Kind::Middleware };
    (@kind cache) => { $crate::abi::Kind::Cache };
    (@kind resolver) => { $crate::abi::Kind::Resolver };
    (@kind showcase) => { $crate::abi::Kind::Showcase };

    (@role handler $type:ty) => { $crate::export::OfHandler<$type> };
    (@role middleware $type:ty) => { $crate::export::OfMiddleware<$type> };
    (@role cache $type:ty) => { $crate::export::OfCache<$type> };
    (@role resolver $type:ty) => { $crate::export::OfResolver<$type> };
    (@role showcase $type:ty) => { $crate::export::OfShowcase<$type> };

    (@accept) => {
        const ACCEPT: Option<unsafe extern "C" fn(*const HostInfo, TextSink) -> Status> = None;
    };
    (@accept $accept:path) => {
        unsafe extern "C" fn accept(host: *const HostInfo, reason: TextSink) -> Status {
            // SAFETY: the host calls this with facts and a sink that keep to the contract.
            unsafe { $crate::export::accept(host, reason, $accept) }
        }
        const ACCEPT: Option<unsafe extern "C" fn(*const HostInfo, TextSink) -> Status> = Some(accept);
    };

    // One type alone: a single factory.
    (
        name: $name:expr,
        $kind:ident: $type:ty
        $(, version: $version:expr)?
        $(, entry: $entry:expr)?
        $(, accept: $accept:path)?
        $(,)?
    ) => {
        $crate::export_plugin! {
            name: $name,
            $kind: { "default" => $type }
            $(, version: $version)?
            $(, entry: $entry)?
            $(, accept: $accept)?
        }
    };
}
