//! The table of a middleware.

use super::instance::{create, destroy, health, Instance};
use super::{null, Exported};
use crate::guard::guard;
use crate::{Answer, Flow, Middleware, Request, RequestEdit, Response};
use plugin_abi::{
    Kind, MiddlewareTable, ResponseEdit, ResponseSink, ResponseView, SizeFirst, Status, TextSink,
};
use std::ffi::c_void;
use std::marker::PhantomData;

/// A type in its role as middleware.
pub struct OfMiddleware<M>(PhantomData<M>);

impl<M: Middleware> Exported for OfMiddleware<M> {
    const KIND: Kind = Kind::Middleware;
    const TABLE: *const c_void = (Self::MIDDLEWARE_TABLE as *const MiddlewareTable).cast();
}

impl<M: Middleware> OfMiddleware<M> {
    const MIDDLEWARE_TABLE: &'static MiddlewareTable = &MiddlewareTable {
        size: MiddlewareTable::SIZE,
        reserved: 0,
        create: Some(create::<M>),
        destroy: Some(destroy::<M>),
        before: Some(before::<M>),
        after: Some(after::<M>),
        health: Some(health::<M>),
    };
}

/// # Safety
/// Called by the host as the contract says for `before`.
unsafe extern "C" fn before<M: Middleware>(
    instance: *mut c_void,
    request: *const plugin_abi::Request,
    edit: *const plugin_abi::RequestEdit,
    response: *const ResponseSink,
    state: *mut *mut c_void,
    error: TextSink,
) -> Status {
    guard(error, || {
        if state.is_null() {
            return Err(null("place for the state"));
        }
        // SAFETY: the host's promise, for all three.
        let (instance, request, mut edit) =
            unsafe { (Instance::<M>::of(instance)?, Request::read(request)?, RequestEdit::read(edit)?) };
        // SAFETY: the host's promise.
        let mut response = unsafe { Response::read(response) }?;
        match instance.plugin.before(&request, &mut edit, &mut response)? {
            Flow::Continue(kept) => {
                // SAFETY: not null (checked), and the host gives room for one pointer.
                unsafe { state.write(Box::into_raw(Box::new(kept)).cast()) };
                Ok(Status::OK)
            }
            Flow::Answered => Ok(Status::ANSWERED),
        }
    })
}

/// # Safety
/// Called by the host as the contract says for `after`.
unsafe extern "C" fn after<M: Middleware>(
    instance: *mut c_void,
    request: *const plugin_abi::Request,
    response: *const ResponseView,
    edit: *const ResponseEdit,
    state: *mut c_void,
    error: TextSink,
) -> Status {
    guard(error, || {
        if state.is_null() {
            return Err(null("state"));
        }
        // First of all, so that it ends whatever follows.
        // SAFETY: `before` made it for the same `M`, and the host gives it back once.
        let state = unsafe { Box::from_raw(state.cast::<M::State>()) };
        // SAFETY: the host's promise, for all three.
        let (instance, request, mut answer) =
            unsafe { (Instance::<M>::of(instance)?, Request::read(request)?, Answer::read(response, edit)?) };
        instance.plugin.after(&request, answer.as_mut(), *state).map(|()| Status::OK)
    })
}
