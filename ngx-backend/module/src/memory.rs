//! Values in nginx's pools.

use std::ptr;

use ngx::ffi::{ngx_palloc, ngx_pool_t, ngx_str_t};

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
