//! Borrowed text and bytes, and the sink through which text is handed back.

use core::ffi::c_void;
use core::{fmt, ptr, slice, str};

/// Borrowed UTF-8 text: a pointer and a length in bytes, not terminated by NUL.
///
/// The layout is final. An empty text may have any pointer; a null pointer with length zero means *absent* where a field
/// says that it may be absent, and empty everywhere else.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// First byte; may be null only if `len` is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Borrowed bytes of any content: a pointer and a length.
///
/// The layout is final; the same rules as for [`Text`] apply to null pointers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    /// First byte; may be null only if `len` is 0.
    pub ptr: *const u8,
    /// Number of bytes.
    pub len: usize,
}

/// Where a callee leaves a text for its caller: an error message, a reason, a description.
///
/// Borrowed for the call it is passed to; only the thread that was called may write. The layout is final.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct TextSink {
    /// Handed to `write` unchanged.
    pub context: *mut c_void,
    /// Copies `text`; a second call replaces what the first one left. Null if the caller does not want the text.
    pub write: Option<unsafe extern "C" fn(context: *mut c_void, text: Text)>,
}

impl Text {
    /// The absent text: null, length zero.
    pub const ABSENT: Text = Text { ptr: ptr::null(), len: 0 };

    /// A view of `text`, valid as long as `text` is borrowed; the caller keeps it so.
    pub const fn new(text: &str) -> Text {
        Text { ptr: text.as_ptr(), len: text.len() }
    }

    /// True if the pointer is null, whatever the length.
    pub fn is_absent(self) -> bool {
        self.ptr.is_null()
    }

    /// The text as `&str`, checked.
    ///
    /// # Errors
    /// A null pointer with a length, a length no allocation can have, or bytes that are not UTF-8.
    ///
    /// # Safety
    /// If the pointer is not null, `len` bytes behind it are readable and do not change during `'a`.
    #[inline]
    pub unsafe fn as_str<'a>(self) -> Result<&'a str, ViewError> {
        let bytes = Bytes { ptr: self.ptr, len: self.len };
        // SAFETY: the caller's promise is the one `as_slice` asks for.
        let bytes = unsafe { bytes.as_slice() }?;
        if bytes.is_ascii() {
            // Nearly all that passes here, and much faster to tell.
            // SAFETY: ASCII is UTF-8.
            return Ok(unsafe { str::from_utf8_unchecked(bytes) });
        }
        str::from_utf8(bytes).map_err(|error| ViewError::NotUtf8 { valid_up_to: error.valid_up_to() })
    }
}

impl Bytes {
    /// The absent view: null, length zero.
    pub const ABSENT: Bytes = Bytes { ptr: ptr::null(), len: 0 };

    /// A view of `bytes`, valid as long as `bytes` is borrowed; the caller keeps it so.
    pub const fn new(bytes: &[u8]) -> Bytes {
        Bytes { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    /// True if the pointer is null, whatever the length.
    pub fn is_absent(self) -> bool {
        self.ptr.is_null()
    }

    /// The bytes as a slice, checked.
    ///
    /// # Errors
    /// A null pointer with a length, or a length no allocation can have.
    ///
    /// # Safety
    /// If the pointer is not null, `len` bytes behind it are readable and do not change during `'a`.
    #[inline]
    pub unsafe fn as_slice<'a>(self) -> Result<&'a [u8], ViewError> {
        // SAFETY: bytes have no alignment or validity to keep; the rest is the caller's promise.
        unsafe { array(self.ptr, self.len) }
    }
}

impl TextSink {
    /// A sink that drops what is written.
    pub const IGNORE: TextSink = TextSink { context: ptr::null_mut(), write: None };

    /// Leaves `text` with the caller.
    ///
    /// # Safety
    /// The sink is one that was passed to the running call, on the thread that was called.
    pub unsafe fn put(self, text: &str) {
        if let Some(write) = self.write {
            // SAFETY: the caller vouches for the sink; `text` outlives the call.
            unsafe { write(self.context, Text::new(text)) }
        }
    }
}

/// A borrowed array given by pointer and count, as a slice. A null pointer with count zero is the empty slice.
///
/// # Errors
/// A null pointer with a count, a pointer that is not aligned for `T`, or a count no allocation can have.
///
/// # Safety
/// If the pointer is not null, `count` valid values of `T` lie behind it and do not change during `'a`.
pub unsafe fn array<'a, T>(first: *const T, count: usize) -> Result<&'a [T], ViewError> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(ViewError::Null { len: count });
    }
    if first as usize % core::mem::align_of::<T>() != 0 {
        return Err(ViewError::Misaligned);
    }
    let too_long = match count.checked_mul(core::mem::size_of::<T>()) {
        Some(bytes) => bytes > isize::MAX as usize,
        None => true,
    };
    if too_long {
        return Err(ViewError::TooLong { len: count });
    }
    // SAFETY: not null, aligned and of a possible size (checked above); readable and unchanging (the caller's promise).
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Why a view that came across the boundary was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewError {
    /// The pointer is null but the length is not zero.
    Null {
        /// The length that was claimed.
        len: usize,
    },
    /// The length is larger than any allocation.
    TooLong {
        /// The length that was claimed.
        len: usize,
    },
    /// The pointer is not aligned for what it points to.
    Misaligned,
    /// The bytes of a text are not UTF-8.
    NotUtf8 {
        /// How many bytes from the start are.
        valid_up_to: usize,
    },
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewError::Null { len } => write!(f, "null pointer with length {len}"),
            ViewError::TooLong { len } => write!(f, "length {len} is larger than any allocation"),
            ViewError::Misaligned => f.write_str("misaligned pointer"),
            ViewError::NotUtf8 { valid_up_to } => {
                write!(f, "text is not UTF-8 after byte {valid_up_to}")
            }
        }
    }
}
