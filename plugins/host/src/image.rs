//! An object that the dynamic loader has mapped from a sealed copy. It is never unmapped.
//!
//! Not unloading is a decision, not a leak: musl's dlclose does nothing, glibc keeps any object whose
//! code has registered a thread-local destructor, and plugins hand out function pointers. See
//! dlclose(3).

use std::error::Error as _;
use std::ffi::{CStr, c_void};
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::sealed::SealedCopy;

/// A mapped object; lives as long as the process, whether this value is kept or not.
#[derive(Debug)]
pub struct Image {
    library: ManuallyDrop<Library>,
    loader_path: PathBuf,
}

impl Image {
    /// Copies and seals `bytes`, and lets the dynamic loader map the copy (RTLD_NOW | RTLD_LOCAL):
    /// every symbol is bound or the call fails, and none is offered to other objects.
    ///
    /// The object's constructors run before this returns, on this thread. An object that finds its
    /// libraries by `$ORIGIN` does not find them: its origin is `/proc/self/fd`.
    ///
    /// # Safety
    /// The constructors are the object's own code: the caller answers for `bytes` being an object
    /// that may run in this process, and for not being itself called from a constructor.
    ///
    /// # Errors
    /// [`MapError`].
    pub unsafe fn map(label: &str, bytes: &[u8]) -> Result<Self, MapError> {
        let copy = SealedCopy::new(label, bytes).map_err(MapError::Copy)?;
        // SAFETY: the caller's promise.
        unsafe { Self::map_sealed(copy) }
    }

    /// The same for bytes that were copied and sealed before.
    ///
    /// # Safety
    /// As for [`Image::map`].
    ///
    /// # Errors
    /// [`MapError`].
    pub unsafe fn map_sealed(copy: SealedCopy) -> Result<Self, MapError> {
        let loader_path = copy.loader_path();
        // A loader that finds no /proc says only that the file is missing.
        if let Err(source) = std::fs::metadata(&loader_path) {
            return Err(MapError::NoProc { path: loader_path, source });
        }
        // SAFETY: the caller answers for the constructors. Nothing is ever unloaded, so there are
        // no destructors to answer for before the process ends.
        let library = unsafe { Library::open(Some(&loader_path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|error| MapError::Loader { path: loader_path.clone(), message: reason(&error) })?;
        copy.keep_for_ever();
        Ok(Self { library: ManuallyDrop::new(library), loader_path })
    }

    /// The name by which the loader knows the object, as dl_iterate_phdr(3) gives it.
    pub fn loader_path(&self) -> &Path {
        &self.loader_path
    }

    /// The address of an exported symbol; `None` if the object does not export it or if it is null.
    pub(crate) fn symbol(&self, name: &CStr) -> Option<*const c_void> {
        // SAFETY: a pointer is read from the symbol table, whatever it points to; it is not used here.
        let symbol = unsafe { self.library.get::<*const c_void>(name.to_bytes_with_nul()) }.ok()?;
        let address = symbol.into_raw();
        (!address.is_null()).then_some(address.cast_const())
    }
}

/// Why an object could not be mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The bytes could not be copied into a sealed file.
    #[error("cannot make a sealed copy of the plugin in memory")]
    Copy(#[source] io::Error),
    /// There is no /proc, by which a loader could open the copy.
    #[error("cannot find the sealed copy as {}; mount /proc", path.display())]
    NoProc {
        /// The copy's name.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The dynamic loader declined.
    #[error("{message}")]
    Loader {
        /// The name it was asked to open.
        path: PathBuf,
        /// Its own words, see dlerror(3).
        message: String,
    },
}

/// What the loader itself said: in some versions of libloading that is the error's text, in others
/// its source, and the text says only that dlopen failed.
fn reason(error: &libloading::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
