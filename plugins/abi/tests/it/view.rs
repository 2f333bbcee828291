//! Views that come from the other side.

use plugin_abi::view::array;
use plugin_abi::{Bytes, Text, ViewError};
use std::ptr;

fn text(ptr: *const u8, len: usize) -> Result<&'static str, ViewError> {
    // SAFETY: callers pass null, or a pointer to a literal with its length, or a length that must be noticed first.
    unsafe { Text { ptr, len }.as_str() }
}

#[test]
fn good_texts_are_borrowed() {
    assert_eq!(text(ptr::null(), 0), Ok(""));
    assert_eq!(text("größe".as_ptr(), 7), Ok("größe"));
    assert!(Text::ABSENT.is_absent());
    assert!(!Text::new("").is_absent());
}

#[test]
fn bad_texts_are_errors() {
    assert_eq!(text(ptr::null(), 3), Err(ViewError::Null { len: 3 }));
    assert_eq!(text("x".as_ptr(), usize::MAX), Err(ViewError::TooLong { len: usize::MAX }));
    assert_eq!(text("größe".as_ptr(), 3), Err(ViewError::NotUtf8 { valid_up_to: 2 }));
}

#[test]
fn bytes_and_arrays() {
    let bytes = Bytes::new(&[1, 2, 3]);
    // SAFETY: views of literals, or lies that must be noticed before anything is read.
    unsafe {
        assert_eq!(bytes.as_slice(), Ok(&[1_u8, 2, 3][..]));
        assert_eq!(array(ptr::null::<Text>(), 0).map(<[Text]>::len), Ok(0));
        assert_eq!(array(ptr::null::<Text>(), 2).map(<[Text]>::len), Err(ViewError::Null { len: 2 }));
        let odd = bytes.ptr.wrapping_add(1).cast::<u64>();
        let even = if odd as usize % 8 == 0 { bytes.ptr.cast() } else { odd };
        assert_eq!(array(even, 1).map(<[u64]>::len), Err(ViewError::Misaligned));
        let huge = isize::MAX as usize / 8;
        let aligned = ptr::NonNull::<u128>::dangling().as_ptr().cast_const();
        assert_eq!(array(aligned, huge).map(<[u128]>::len), Err(ViewError::TooLong { len: huge }));
    }
}
