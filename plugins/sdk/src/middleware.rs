//! Middlewares: before and after the handler, or instead of it.

use crate::handler::{accepted, headers, unsupported};
use crate::vary;
use crate::{Error, Plugin, Request, Response};
use plugin_abi::view::array;
use plugin_abi::{sized, Address, Bytes, ResponseView, Text};

/// A plugin that stands before and after handlers.
pub trait Middleware: Plugin {
    /// What it remembers of a request between `before` and `after`. `()` costs nothing.
    type State: Send + 'static;

    /// Sees a request before the handler. Called by many threads at once.
    ///
    /// # Errors
    /// The client gets 500, the message goes to the host's log, and `after` is not called.
    fn before(
        &self,
        request: &Request<'_>,
        edit: &mut RequestEdit<'_>,
        response: &mut Response<'_>,
    ) -> Result<Flow<Self::State>, Error>;

    /// Sees the response on its way back. Called exactly once for each `before` that said [`Flow::Continue`], perhaps on
    /// another thread; `answer` is `None` if there is no response, because the client went away or the server stops.
    ///
    /// # Errors
    /// The client gets 500, the message goes to the host's log.
    fn after(
        &self,
        request: &Request<'_>,
        answer: Option<&mut Answer<'_>>,
        state: Self::State,
    ) -> Result<(), Error> {
        let (_, _, _) = (request, answer, state);
        Ok(())
    }
}

/// How a request goes on.
#[derive(Debug)]
pub enum Flow<S> {
    /// To the next middleware or the handler; the state comes back in `after`.
    Continue(S),
    /// Not at all: the response has been written.
    Answered,
}

/// Changes the request that the next middleware and the handler see.
#[derive(Debug)]
pub struct RequestEdit<'a> {
    sink: &'a plugin_abi::RequestEdit,
}

impl<'a> RequestEdit<'a> {
    /// # Safety
    /// If the pointer is not null, it leads to a sink that keeps to the contract during `'a`.
    pub(crate) unsafe fn read(sink: *const plugin_abi::RequestEdit) -> Result<RequestEdit<'a>, Error> {
        // SAFETY: the caller's promise.
        let sink =
            unsafe { sized::borrow_sized(sink) }.map_err(|error| Error::size("request edit", error))?;
        Ok(RequestEdit { sink })
    }

    /// Replaces all headers of that name by one.
    ///
    /// # Errors
    /// If name or value are not what HTTP allows; so for all of these.
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let set_header = self.sink.set_header.ok_or_else(|| unsupported("set_header"))?;
        // SAFETY: the sink keeps to the contract; both views outlive the call.
        let status = unsafe { set_header(self.sink.context, Text::new(name), Bytes::new(value.as_ref())) };
        accepted("a header of the request", status)
    }

    /// Adds a header, keeping others of that name.
    ///
    /// # Errors
    /// As [`set_header`](RequestEdit::set_header).
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let add_header = self.sink.add_header.ok_or_else(|| unsupported("add_header"))?;
        // SAFETY: as above.
        let status = unsafe { add_header(self.sink.context, Text::new(name), Bytes::new(value.as_ref())) };
        accepted("a header of the request", status)
    }

    /// Removes all headers of that name; none is fine.
    ///
    /// # Errors
    /// As [`set_header`](RequestEdit::set_header).
    pub fn remove_header(&mut self, name: &str) -> Result<(), Error> {
        let remove_header = self.sink.remove_header.ok_or_else(|| unsupported("remove_header"))?;
        // SAFETY: as above.
        accepted("a header's name", unsafe { remove_header(self.sink.context, Text::new(name)) })
    }

    /// Replaces path and query. Routing follows the new path.
    ///
    /// # Errors
    /// As [`set_header`](RequestEdit::set_header).
    pub fn set_target(&mut self, path: &str, query: Option<&str>) -> Result<(), Error> {
        let set_target = self.sink.set_target.ok_or_else(|| unsupported("set_target"))?;
        let query = query.map_or(Text::ABSENT, Text::new);
        // SAFETY: as above.
        accepted("the request's target", unsafe { set_target(self.sink.context, Text::new(path), query) })
    }

    /// Replaces the address of the peer, as one does behind a trusted proxy.
    ///
    /// # Errors
    /// As [`set_header`](RequestEdit::set_header).
    pub fn set_peer(&mut self, peer: Address) -> Result<(), Error> {
        let set_peer = self.sink.set_peer.ok_or_else(|| unsupported("set_peer"))?;
        // SAFETY: as above.
        accepted("the peer's address", unsafe { set_peer(self.sink.context, &peer) })
    }
}

/// A response on its way back, and the means to change it. What is read does not show the changes.
#[derive(Debug)]
pub struct Answer<'a> {
    view: &'a ResponseView,
    edit: AnswerEdit<'a>,
}

/// Changes a response on its way back.
#[derive(Debug)]
pub struct AnswerEdit<'a> {
    sink: &'a plugin_abi::ResponseEdit,
}

impl<'a> Answer<'a> {
    /// `None` if the host says that there is no response.
    ///
    /// # Safety
    /// Pointers that are not null lead to a response and a sink that keep to the contract during `'a`.
    pub(crate) unsafe fn read(
        view: *const ResponseView,
        sink: *const plugin_abi::ResponseEdit,
    ) -> Result<Option<Answer<'a>>, Error> {
        if view.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's promise.
        let view: &'a ResponseView =
            unsafe { sized::borrow_sized(view) }.map_err(|error| Error::size("response", error))?;
        // SAFETY: the caller's promise.
        let sink =
            unsafe { sized::borrow_sized(sink) }.map_err(|error| Error::size("response edit", error))?;
        // SAFETY: views in a response that keeps to the contract.
        unsafe { array(view.headers, view.header_count) }.map_err(|error| Error::view("headers", error))?;
        // SAFETY: as above.
        unsafe { view.body.as_slice() }.map_err(|error| Error::view("body", error))?;
        Ok(Some(Answer { view, edit: AnswerEdit { sink } }))
    }

    /// Status code, 200 to 599.
    pub fn status(&self) -> u32 {
        self.view.status
    }

    /// The headers: names in lower case, values as they are.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // SAFETY: an array in a response that keeps to the contract, checked by `read`.
        headers(unsafe { array(self.view.headers, self.view.header_count) }.unwrap_or_default())
    }

    /// The first header of that name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(present, _)| *present == name.as_bytes()).map(|(_, value)| value)
    }

    /// The whole body.
    pub fn body(&self) -> &'a [u8] {
        // SAFETY: a view in a response that keeps to the contract, checked by `read`.
        unsafe { self.view.body.as_slice() }.unwrap_or_default()
    }

    /// The means to change it.
    pub fn edit(&mut self) -> &mut AnswerEdit<'a> {
        &mut self.edit
    }

    /// Says in `vary` that the response depends on these fields of the request, beside those that are named there
    /// already. Once for all that a middleware depends on: a second call would not see the first.
    ///
    /// # Errors
    /// If the host does not take it.
    pub fn vary_on(&mut self, names: &[&str]) -> Result<(), Error> {
        let present = self.headers().filter(|(name, _)| *name == b"vary").map(|(_, value)| value);
        match vary::extended(present, names) {
            Some(value) => self.edit.set_header("vary", value),
            None => Ok(()),
        }
    }
}

impl AnswerEdit<'_> {
    /// Replaces the status code, 200 to 599.
    ///
    /// # Errors
    /// If the host does not take it, because HTTP forbids it; so for all of these.
    pub fn set_status(&mut self, status: u16) -> Result<(), Error> {
        let set_status = self.sink.set_status.ok_or_else(|| unsupported("set_status"))?;
        // SAFETY: the sink keeps to the contract.
        accepted("the response's status", unsafe { set_status(self.sink.context, u32::from(status)) })
    }

    /// Replaces all headers of that name by one.
    ///
    /// # Errors
    /// As [`set_status`](AnswerEdit::set_status).
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let set_header = self.sink.set_header.ok_or_else(|| unsupported("set_header"))?;
        // SAFETY: the sink keeps to the contract; both views outlive the call.
        let status = unsafe { set_header(self.sink.context, Text::new(name), Bytes::new(value.as_ref())) };
        accepted("a header of the response", status)
    }

    /// Adds a header, keeping others of that name.
    ///
    /// # Errors
    /// As [`set_status`](AnswerEdit::set_status).
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let add_header = self.sink.add_header.ok_or_else(|| unsupported("add_header"))?;
        // SAFETY: as above.
        let status = unsafe { add_header(self.sink.context, Text::new(name), Bytes::new(value.as_ref())) };
        accepted("a header of the response", status)
    }

    /// Removes all headers of that name; none is fine.
    ///
    /// # Errors
    /// As [`set_status`](AnswerEdit::set_status).
    pub fn remove_header(&mut self, name: &str) -> Result<(), Error> {
        let remove_header = self.sink.remove_header.ok_or_else(|| unsupported("remove_header"))?;
        // SAFETY: as above.
        accepted("a header's name", unsafe { remove_header(self.sink.context, Text::new(name)) })
    }

    /// Replaces the whole body; the host sees to `content-length`.
    ///
    /// # Errors
    /// As [`set_status`](AnswerEdit::set_status).
    pub fn set_body(&mut self, body: &[u8]) -> Result<(), Error> {
        let set_body = self.sink.set_body.ok_or_else(|| unsupported("set_body"))?;
        // SAFETY: as above.
        accepted("the response's body", unsafe { set_body(self.sink.context, Bytes::new(body)) })
    }
}
