//! How plugins' threads call nginx's: a list of tickets, and an eventfd(2) that nginx's event loop watches.
//!
//! Not `ngx_notify`: it has one place for a handler, which nginx's own thread pools use as well.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use ngx::ffi::{
    EPOLL_EVENTS_EPOLLET, EPOLL_EVENTS_EPOLLIN, EPOLL_EVENTS_EPOLLRDHUP, NGX_OK, ngx_close_connection,
    ngx_connection_t, ngx_cycle_t, ngx_event_actions, ngx_event_handler_pt, ngx_get_connection, ngx_int_t,
    ngx_uint_t,
};
use rustix::event::{EventfdFlags, eventfd};

/// What a thread that has found something out holds on to.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: OwnedFd,
    rung: Mutex<Vec<u64>>,
}

impl Bell {
    /// A bell that nobody listens to yet.
    pub(crate) fn new() -> io::Result<Bell> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { descriptor, rung: Mutex::default() })
    }

    /// Says that whoever holds `ticket` should look again. From any thread; does not block.
    pub(crate) fn ring(&self, ticket: u64) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
        // It fails only where so many rings wait already that one more makes no difference.
        let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
    }

    /// The tickets rung since the last time.
    pub(crate) fn take(&self) -> Vec<u64> {
        // Before the list: a ring that comes in between is heard once more for nothing, rather than not at all.
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The event loop's end of a bell: one of the worker's connections.
#[derive(Debug)]
pub(crate) struct Listener(*mut ngx_connection_t);

impl Listener {
    /// Has nginx call `handler` when `bell` rings.
    ///
    /// # Safety
    /// Called by nginx's thread in a worker whose event loop has been set up.
    pub(crate) unsafe fn new(
        bell: &Bell,
        cycle: *mut ngx_cycle_t,
        handler: ngx_event_handler_pt,
    ) -> io::Result<Listener> {
        // nginx closes the descriptors of its connections, so this one gets one of its own.
        let descriptor = rustix::io::fcntl_dupfd_cloexec(&bell.descriptor, 0)?;
        // SAFETY: in a worker, the cycle is alive, and so is its log.
        let connection = unsafe { ngx_get_connection(descriptor.as_raw_fd(), (*cycle).log) };
        if connection.is_null() {
            return Err(io::Error::other("all of worker_connections are in use"));
        }
        let _ = descriptor.into_raw_fd();
        let listener = Listener(connection);
        // As NGX_READ_EVENT and NGX_CLEAR_EVENT are where there is epoll: macros that bindgen cannot evaluate.
        let (event, flags) = (EPOLL_EVENTS_EPOLLIN | EPOLL_EVENTS_EPOLLRDHUP, EPOLL_EVENTS_EPOLLET);
        // SAFETY: nginx has just handed out the connection, which has a read event; it gives both to nobody else until
        // they are closed.
        let added = unsafe {
            let read = (*connection).read;
            (*read).log = (*cycle).log;
            (*read).handler = handler;
            let add = ptr::addr_of!(ngx_event_actions.add).read();
            add.map(|add| add(read, event as ngx_int_t, flags as ngx_uint_t))
        };
        if added != Some(NGX_OK as ngx_int_t) {
            return Err(io::Error::other("the event loop does not take an eventfd"));
        }
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: dropped by nginx's thread; the connection is this listener's own.
        unsafe { ngx_close_connection(self.0) }
    }
}
