//! What a plugin is for: which table its factories point to.

/// The kinds of plugin this version of the contract knows.
///
/// On the wire a kind is a plain `u32`, because a newer minor may add kinds: a number that is not listed here is a plugin
/// for someone else, not a garbled one.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Answers HTTP requests: [`HandlerTable`](crate::HandlerTable).
    Handler = 1,
    /// Stands before and after handlers: [`MiddlewareTable`](crate::MiddlewareTable).
    Middleware = 2,
    /// Keeps values by key until they expire: [`CacheTable`](crate::CacheTable).
    Cache = 3,
    /// Finds the upstream addresses of a host name: [`ResolverTable`](crate::ResolverTable).
    Resolver = 4,
    /// Shows versions and acceptability: [`ShowcaseTable`](crate::ShowcaseTable).
    Showcase = 5,
}

impl Kind {
    /// Every kind, in the order of their codes.
    /// cbindgen:ignore
    pub const ALL: [Kind; 5] = [Kind::Handler, Kind::Middleware, Kind::Cache, Kind::Resolver, Kind::Showcase];

    /// The number used in notes and descriptors.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The kind with this number, `None` if this version of the contract does not know it.
    pub const fn from_code(code: u32) -> Option<Kind> {
        match code {
            1 => Some(Kind::Handler),
            2 => Some(Kind::Middleware),
            3 => Some(Kind::Cache),
            4 => Some(Kind::Resolver),
            5 => Some(Kind::Showcase),
            _ => None,
        }
    }

    /// The kind's name as people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Handler => "handler",
            Kind::Middleware => "middleware",
            Kind::Cache => "cache",
            Kind::Resolver => "resolver",
            Kind::Showcase => "showcase",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_kinds_map_both_ways() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(Kind::from_code(0), None);
        assert_eq!(Kind::from_code(6), None);
    }
}
