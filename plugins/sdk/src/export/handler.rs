//! The table of a handler.

use super::instance::{create, destroy, health, Instance};
use super::{is_route, Exported};
use crate::guard::guard;
use crate::{Handler, Request, Response};
use plugin_abi::{HandlerTable, Kind, ResponseSink, SizeFirst, Status, Text, TextSink};
use std::ffi::c_void;
use std::marker::PhantomData;

/// A type in its role as handler.
pub struct OfHandler<H>(PhantomData<H>);

impl<H: Handler> Exported for OfHandler<H> {
    const KIND: Kind = Kind::Handler;
    const TABLE: *const c_void = (Self::HANDLER_TABLE as *const HandlerTable).cast();
}

impl<H: Handler> OfHandler<H> {
    const HANDLER_TABLE: &'static HandlerTable = {
        assert!(is_route(H::ROUTE), "a handler's ROUTE begins with '/'");
        assert!(!H::METHODS.is_empty(), "a handler's METHODS are at least one");
        &HandlerTable {
            size: HandlerTable::SIZE,
            reserved: 0,
            create: Some(create::<H>),
            destroy: Some(destroy::<H>),
            route: Text::new(H::ROUTE),
            // A method is a text and nothing else.
            methods: H::METHODS.as_ptr().cast(),
            method_count: H::METHODS.len(),
            handle: Some(handle::<H>),
            health: Some(health::<H>),
        }
    };
}

/// # Safety
/// Called by the host as the contract says for `handle`.
unsafe extern "C" fn handle<H: Handler>(
    instance: *mut c_void,
    request: *const plugin_abi::Request,
    response: *const ResponseSink,
    error: TextSink,
) -> Status {
    guard(error, || {
        // SAFETY: the host's promise, for all three.
        let (instance, request, mut response) =
            unsafe { (Instance::<H>::of(instance)?, Request::read(request)?, Response::read(response)?) };
        instance.plugin.handle(&request, &mut response).map(|()| Status::OK)
    })
}
