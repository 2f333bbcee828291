//! Handlers: a request in, a response out.

use plugin_abi::{HandlerTable, view};

use crate::call::{CallError, TextSlot};
use crate::environment::HostEnvironment;
use crate::http::{Request, Response, ResponseSlot};
use crate::instance::{CreateError, Instance, Settings};
use crate::plugin::Plugin;

/// An instance of a handler plugin. Ended when dropped.
#[derive(Debug)]
pub struct HandlerInstance {
    instance: Instance<HandlerTable>,
    route: String,
    methods: Vec<String>,
}

/// More methods than any handler answers; a larger number is a garbled table.
const MOST_METHODS: usize = 64;

impl HandlerInstance {
    /// Makes an instance. May block.
    ///
    /// # Errors
    /// [`CreateError`]; among others if route or methods are not what HTTP allows.
    pub fn create(plugin: &Plugin, host: &HostEnvironment, settings: &Settings) -> Result<Self, CreateError> {
        let instance = Instance::<HandlerTable>::create(plugin, host, settings)?;
        let route = read_route(instance.table())?;
        let methods = read_methods(instance.table())?;
        Ok(Self { instance, route, methods })
    }

    /// Where it wants to be mounted: a path, or all that begin with it if it ends in `/`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// The methods it answers, at least one.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// Answers one request. May block as long as the plugin likes. From any thread, several at once.
    ///
    /// # Errors
    /// If the plugin failed or panicked, or gave a response that HTTP does not allow.
    pub fn handle(&self, request: &Request<'_>) -> Result<Response, CallError> {
        let mut response = Response::default();
        self.handle_into(request, &mut response)?;
        Ok(response)
    }

    /// The same, for hosts that count nanoseconds: the response grows where it is wanted. Moving it just after it was written
    /// costs more than the call itself, because a processor waits when it reads in one piece what was written in several.
    ///
    /// # Errors
    /// As [`handle`](Self::handle); what is in the response then is not to be sent.
    pub fn handle_into(&self, request: &Request<'_>, response: &mut Response) -> Result<(), CallError> {
        let Some(handle) = self.instance.table().handle else {
            return Err(CallError::unsupported("handle"));
        };
        let request = request.lend();
        let mut slot = ResponseSlot::new(response);
        let mut error = TextSlot::default();
        let (response_sink, error_sink) = (slot.sink(), error.sink());
        // SAFETY: the instance lives, and so do request and sinks during the call.
        let status = unsafe {
            handle(self.instance.pointer(), &raw const request, &raw const response_sink, error_sink)
        };
        error.into_result(status)?;
        slot.finish()
    }

    /// Whether it can do its work at this moment.
    ///
    /// # Errors
    /// Its reason, if it cannot.
    pub fn health(&self) -> Result<(), CallError> {
        self.instance.health()
    }
}

fn read_route(table: &HandlerTable) -> Result<String, CreateError> {
    // SAFETY: the contract makes the route constant for the life of the process.
    let route = unsafe { table.route.as_str() }
        .map_err(|error| CreateError::Constant(format!("its route is no text: {error}")))?;
    let visible = route.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    if !route.starts_with('/') || !visible {
        return Err(CreateError::Constant(format!("its route {route:?} is no path that begins with /")));
    }
    Ok(route.to_owned())
}

fn read_methods(table: &HandlerTable) -> Result<Vec<String>, CreateError> {
    let count = table.method_count;
    if !(1..=MOST_METHODS).contains(&count) {
        let text = format!("it names {count} methods, and 1 to {MOST_METHODS} are accepted");
        return Err(CreateError::Constant(text));
    }
    // SAFETY: the contract makes the array constant for the life of the process.
    let methods = unsafe { view::array(table.methods, count) }
        .map_err(|error| CreateError::Constant(format!("its methods are no array: {error}")))?;
    methods
        .iter()
        .map(|method| {
            // SAFETY: the contract makes the texts constant for the life of the process.
            let text = unsafe { method.as_str() }
                .map_err(|error| CreateError::Constant(format!("a method is no text: {error}")))?;
            // Methods are tokens and case-sensitive (RFC 9110, section 9.1); all registered ones are
            // upper case, and `get` is a mistake that would never match.
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
                return Err(CreateError::Constant(format!("{text:?} is no method; write it like GET")));
            }
            Ok(text.to_owned())
        })
        .collect()
}
