//! Middlewares: before and after the handler, or instead of it.

use std::ffi::c_void;
use std::ptr;

use plugin_abi::{Bytes, Header, MiddlewareTable, ResponseView, SizeFirst, Status, Text};

use crate::call::{CallError, TextSlot};
use crate::environment::HostEnvironment;
use crate::http::{
    HttpVersion, Request, RequestEdit, RequestEdits, RequestHeaders, Response, ResponseEdits, ResponseSlot,
};
use crate::instance::{CreateError, Instance, Settings};
use crate::plugin::Plugin;

/// An instance of a middleware plugin. Ended when dropped.
#[derive(Debug)]
pub struct MiddlewareInstance {
    instance: Instance<MiddlewareTable>,
}

/// What a middleware decided before the handler.
#[derive(Debug)]
pub enum Before<'m> {
    /// Go on, with these changes to the request; [`Ticket::after`] follows.
    Continue {
        /// Changes for whatever stands behind, in order.
        edits: Vec<RequestEdit>,
        /// What the middleware gets back with the response.
        ticket: Ticket<'m>,
    },
    /// Send this; nothing behind the middleware is called.
    Answered(Response),
}

/// The other half of a request that a middleware let through: its `after` is called exactly once, by
/// [`Ticket::after`], or without a response when the ticket is dropped.
#[derive(Debug)]
pub struct Ticket<'m> {
    middleware: &'m MiddlewareInstance,
    /// What `before` stored; gone once it was given back.
    state: Option<*mut c_void>,
    /// What is left of the request if the client goes away.
    method: String,
    path: String,
}

// SAFETY: the contract lets `after` come on another thread than `before`.
unsafe impl Send for Ticket<'_> {}

impl MiddlewareInstance {
    /// Makes an instance. May block.
    ///
    /// # Errors
    /// [`CreateError`].
    pub fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        Ok(Self { instance: Instance::create(plugin, host, settings)? })
    }

    /// Shows it a request before the handler. From any thread, several at once.
    ///
    /// # Errors
    /// If the plugin failed or panicked, or asked for something that HTTP does not allow.
    pub fn before(&self, request: &Request<'_>) -> Result<Before<'_>, CallError> {
        let Some(before) = self.instance.table().before else {
            return Err(CallError::unsupported("before"));
        };
        let lent = request.lend();
        let mut edits = RequestEdits::default();
        let mut response = Response::default();
        let mut slot = ResponseSlot::new(&mut response);
        let mut error = TextSlot::default();
        let mut state = ptr::null_mut();
        let (edit_sink, response_sink, error_sink) = (edits.sink(), slot.sink(), error.sink());
        // SAFETY: the instance lives, and so do request, sinks and state during the call.
        let status = unsafe {
            before(
                self.instance.pointer(),
                &raw const lent,
                &raw const edit_sink,
                &raw const response_sink,
                &raw mut state,
                error_sink,
            )
        };
        match status {
            Status::ANSWERED => slot.finish().map(|()| Before::Answered(response)),
            Status::OK => {
                // Made first: if the edits are refused, dropping it ends the plugin's state.
                let ticket = Ticket {
                    middleware: self,
                    state: Some(state),
                    method: request.method.to_owned(),
                    path: request.path.to_owned(),
                };
                Ok(Before::Continue { edits: edits.into_edits()?, ticket })
            }
            status => Err(error.into_error(status)),
        }
    }

    /// Whether it can do its work at this moment.
    ///
    /// # Errors
    /// Its reason, if it cannot.
    pub fn health(&self) -> Result<(), CallError> {
        self.instance.health()
    }

    fn call_after(
        &self,
        request: &Request<'_>,
        response: Option<&Response>,
        edits: &mut ResponseEdits,
        state: *mut c_void,
    ) -> Result<(), CallError> {
        let Some(after) = self.instance.table().after else {
            return Err(CallError::unsupported("after"));
        };
        let lent = request.lend();
        let headers: Vec<Header> = response
            .iter()
            .flat_map(|response| &response.headers)
            .map(|(name, value)| Header { name: Text::new(name), value: Bytes::new(value) })
            .collect();
        let view = response.map(|response| ResponseView {
            size: ResponseView::SIZE,
            status: u32::from(response.status),
            headers: headers.as_ptr(),
            header_count: headers.len(),
            body: Bytes::new(&response.body),
        });
        let edit_sink = view.is_some().then(|| edits.sink());
        let mut error = TextSlot::default();
        let error_sink = error.sink();
        // SAFETY: the instance lives, and so do request, view and sinks during the call; the state is the
        // one that `before` stored for this request, and is given back this once.
        let status = unsafe {
            after(
                self.instance.pointer(),
                &raw const lent,
                view.as_ref().map_or(ptr::null(), ptr::from_ref),
                edit_sink.as_ref().map_or(ptr::null(), ptr::from_ref),
                state,
                error_sink,
            )
        };
        error.into_result(status)
    }
}

impl Ticket<'_> {
    /// Shows the middleware the response, and carries out its changes.
    ///
    /// # Errors
    /// If the plugin failed or panicked, or asked for something that HTTP does not allow; the response
    /// is then not to be sent.
    pub fn after(mut self, request: &Request<'_>, response: &mut Response) -> Result<(), CallError> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let mut edits = ResponseEdits::default();
        self.middleware.call_after(request, Some(response), &mut edits, state)?;
        edits.apply(response)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        let request = Request {
            method: &self.method,
            path: &self.path,
            query: None,
            mount: None,
            version: HttpVersion::Http11,
            peer: None,
            headers: RequestHeaders::default(),
            body: &[],
        };
        // There is nobody left to tell about a failure.
        let _ = self.middleware.call_after(&request, None, &mut ResponseEdits::default(), state);
    }
}
