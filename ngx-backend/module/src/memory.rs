//! Values in nginx's pools.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{ngx_palloc, ngx_pool_cleanup_add, ngx_pool_t, ngx_str_t};

/// Moves `value` into `pool`, which drops it when it is destroyed. Null if there is no memory.
///
/// # Safety
/// The pool is alive.
pub(crate) unsafe fn keep<T>(pool: *mut ngx_pool_t, value: T) -> *mut T {
    const { assert!(align_of::<T>() <= 16, "pools align to 16 bytes") };
    // SAFETY: the pool is alive; the size is that of the value.
    let cleanup = unsafe { ngx_pool_cleanup_add(pool, size_of::<T>().max(1)) };
    if cleanup.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the cleanup and as many bytes as the value has were just made, and nobody else knows them.
    unsafe {
        let place = (*cleanup).data.cast::<T>();
        place.write(value);
        (*cleanup).handler = Some(drop_in_place::<T>);
        place
    }
}

unsafe extern "C" fn drop_in_place<T>(value: *mut c_void) {
    // SAFETY: the pool runs each cleanup once, with the data that `keep` wrote.
    unsafe { value.cast::<T>().drop_in_place() }
}

/// Copies `text` into `pool`. `None` if there is no memory.
///
/// # Safety
/// The pool is alive.
pub(crate) unsafe fn copy_text(pool: *mut ngx_pool_t, text: &[u8]) -> Option<ngx_str_t> {
    // SAFETY: the pool is alive.
    let data = unsafe { ngx_palloc(pool, text.len().max(1)) }.cast::<u8>();
    if data.is_null() {
        return None;
    }
    // SAFETY: so many bytes were just allocated.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr(), data, text.len()) };
    Some(ngx_str_t { len: text.len(), data })
}
