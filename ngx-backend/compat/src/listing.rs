//! The modules that a file lists: a dynamic module its own, nginx those that are linked into it.

use crate::loaded::Loaded;

/// The modules of a file, in its order. Of a file with none nginx loads as many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Each of them.
    pub modules: Vec<Listed>,
}

/// What a module says of the nginx that it was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, such as `ngx_http_proxy_module`.
    pub name: String,
    /// `nginx_version` of the headers: 1022001 is 1.22.1.
    pub version: u64,
    /// `NGX_MODULE_SIGNATURE` of the headers: the sizes of three types, and a digit for each flag.
    pub signature: String,
    /// The symbol by which the list leads to the module, if it is one that a module of the same name in nginx takes the place of.
    pub symbol: Option<String>,
}

/// Why no listing could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListingError {
    /// There is none.
    #[error("it exports no `{0}`")]
    Missing(&'static str),
    /// There is one that cannot be read.
    #[error("{0} cannot be read")]
    Unreadable(String),
}

/// Fields of `ngx_module_t` (nginx's src/core/ngx_module.h, the same since 1.9.11, the first with dynamic modules), in bytes.
const VERSION: u64 = 40;
const SIGNATURE: u64 = 48;
const POINTER: u64 = 8;
/// More than any nginx has.
const MOST_MODULES: u64 = 1024;

impl Listing {
    /// Reads the list of a dynamic module, or that of an nginx.
    ///
    /// # Errors
    /// [`ListingError`]. A file that is no ELF file at all has none.
    pub fn parse(file: &[u8]) -> Result<Self, ListingError> {
        let loaded = Loaded::of(file).ok_or(ListingError::Missing(MODULES))?;
        let list = loaded.symbol(MODULES).ok_or(ListingError::Missing(MODULES))?;
        let names = loaded.symbol(NAMES).ok_or(ListingError::Missing(NAMES))?;
        let mut modules = Vec::new();
        for index in 0..MOST_MODULES {
            let which = |what: &str| ListingError::Unreadable(format!("{what} of module {index}"));
            let at =
                |list: u64| list.checked_add(index * POINTER).and_then(|address| loaded.pointer(address));
            let module = at(list).ok_or_else(|| which("the address"))?;
            if module.address == 0 {
                break;
            }
            let name =
                at(names).and_then(|name| loaded.text(name.address)).ok_or_else(|| which("the name"))?;
            let field = |offset| module.address.checked_add(offset);
            let version =
                field(VERSION).and_then(|at| loaded.number(at)).ok_or_else(|| which("the version"))?;
            let signature = field(SIGNATURE).and_then(|at| loaded.text(loaded.pointer(at)?.address));
            let signature = signature.ok_or_else(|| which("the signature"))?;
            modules.push(Listed { name, version, signature, symbol: module.symbol });
        }
        Ok(Self { modules })
    }
}

const MODULES: &str = "ngx_modules";
const NAMES: &str = "ngx_module_names";

impl Listed {
    /// The version as people write it: `1.22.1`.
    pub fn written_version(&self) -> String {
        let Self { version, .. } = self;
        format!("{}.{}.{}", version / 1_000_000, version / 1_000 % 1_000, version % 1_000)
    }
}
