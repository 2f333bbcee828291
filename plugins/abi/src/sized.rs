//! Structures that begin with their own size, and how a shorter or longer one than ours is read.
//!
//! A minor version appends fields. The size in front says how far the writer's structure goes, so that a reader never
//! touches memory the writer did not have.

use core::mem::{self, MaybeUninit};
use core::{fmt, ptr};

/// A structure that begins with its own size in bytes, a `u32`.
///
/// # Safety
/// The type is `#[repr(C)]`, its first field is that `u32`, all-zero bytes are a valid value for every field at and after
/// [`MINIMUM_SIZE`](SizeFirst::MINIMUM_SIZE), and any field before it is valid for whatever the other side may write.
pub unsafe trait SizeFirst: Copy {
    /// Size in bytes of the structure in version 1.0 of the contract: nothing shorter is accepted.
    const MINIMUM_SIZE: usize;

    /// The structure's size in this version, as written into its first field.
    const SIZE: u32 = mem::size_of::<Self>() as u32;
}

/// Reads a structure written by a side of any minor version: what the writer did not have is zero (absent entries), what
/// we do not know is left out.
///
/// Hosts read every table of a plugin this way, once, and keep the copy; no call needs to look at sizes again.
///
/// # Errors
/// A null or misaligned pointer, or a size below that of version 1.0.
///
/// # Safety
/// If the pointer is not null, a `u32` lies behind it, and as many readable bytes as that number says; they make a valid
/// structure of some minor version of this major.
pub unsafe fn read_sized<T: SizeFirst>(from: *const T) -> Result<T, SizeError> {
    // SAFETY: the caller's promise.
    let size = unsafe { size_of_sized(from) }?;
    let mut value = MaybeUninit::<T>::zeroed();
    let bytes = if size < mem::size_of::<T>() { size } else { mem::size_of::<T>() };
    // SAFETY: `bytes` are readable (the caller's promise) and fit into `value`; they cannot overlap with a local.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), bytes) };
    // SAFETY: the front is a valid structure (the caller's promise), zeros are valid behind it (`SizeFirst`).
    Ok(unsafe { value.assume_init() })
}

/// Borrows a structure that has at least all fields of this version.
///
/// Plugins read what the host passes this way: a host is never older than the plugins it loads, so nothing is missing.
///
/// # Errors
/// A null or misaligned pointer, or a size below that of this version.
///
/// # Safety
/// As for [`read_sized`], and nothing writes to the structure during `'a`.
pub unsafe fn borrow_sized<'a, T: SizeFirst>(from: *const T) -> Result<&'a T, SizeError> {
    // SAFETY: the caller's promise.
    let size = unsafe { size_of_sized(from) }?;
    if size < mem::size_of::<T>() {
        return Err(SizeError::TooSmall { size, minimum: mem::size_of::<T>() });
    }
    // SAFETY: not null, aligned, large enough (checked); valid and unchanging (the caller's promise).
    Ok(unsafe { &*from })
}

/// True if a structure of `size` bytes contains the whole field at `offset` that takes `field_size` bytes.
pub const fn has_field(size: u32, offset: usize, field_size: usize) -> bool {
    match offset.checked_add(field_size) {
        Some(end) => size as usize >= end,
        None => false,
    }
}

/// # Safety
/// If the pointer is not null, a readable `u32` lies behind it.
unsafe fn size_of_sized<T: SizeFirst>(from: *const T) -> Result<usize, SizeError> {
    if from.is_null() {
        return Err(SizeError::Null);
    }
    if from as usize % mem::align_of::<T>() != 0 {
        return Err(SizeError::Misaligned);
    }
    // SAFETY: readable (the caller's promise) and aligned (checked; `T` is aligned at least like its first field).
    let size = unsafe { from.cast::<u32>().read() } as usize;
    if size < T::MINIMUM_SIZE {
        return Err(SizeError::TooSmall { size, minimum: T::MINIMUM_SIZE });
    }
    Ok(size)
}

/// Why a structure that begins with its size was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeError {
    /// The pointer is null.
    Null,
    /// The pointer is not aligned for the structure.
    Misaligned,
    /// The structure is shorter than it may be.
    TooSmall {
        /// The size it claims, in bytes.
        size: usize,
        /// The least size accepted, in bytes.
        minimum: usize,
    },
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SizeError::Null => f.write_str("null pointer"),
            SizeError::Misaligned => f.write_str("misaligned pointer"),
            SizeError::TooSmall { size, minimum } => {
                write!(f, "structure claims {size} bytes, the contract asks for at least {minimum}")
            }
        }
    }
}
