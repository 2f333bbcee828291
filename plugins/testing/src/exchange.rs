//! One request through a middleware and its response back.

use plugin_host::{Before, MiddlewareInstance, RequestEdit, Response};

use crate::TestRequest;

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The middleware answered it; nothing behind was called.
    Answered(Response),
    /// It went on.
    Passed {
        /// Changes to the request that whatever stands behind sees.
        edits: Vec<RequestEdit>,
        /// The response as the middleware left it.
        response: Response,
    },
}

/// Shows `middleware` a request and then, if it lets that through, `response`.
///
/// # Panics
/// If either call fails.
pub fn exchange(middleware: &MiddlewareInstance, request: &TestRequest, mut response: Response) -> Outcome {
    let request = request.lend();
    match middleware.before(&request).expect("`before` works") {
        Before::Answered(response) => Outcome::Answered(response),
        Before::Continue { edits, ticket } => {
            ticket.after(&request, &mut response).expect("`after` works");
            Outcome::Passed { edits, response }
        }
    }
}

/// The answer of a middleware that is to answer itself.
///
/// # Panics
/// If it lets the request through.
pub fn answered(middleware: &MiddlewareInstance, request: &TestRequest) -> Response {
    match exchange(middleware, request, Response::default()) {
        Outcome::Answered(response) => response,
        Outcome::Passed { .. } => panic!("{request:?} went through"),
    }
}

/// The changes to the request and the response of a middleware that is to let it through.
///
/// # Panics
/// If it answers itself.
pub fn passed(
    middleware: &MiddlewareInstance,
    request: &TestRequest,
    response: Response,
) -> (Vec<RequestEdit>, Response) {
    match exchange(middleware, request, response) {
        Outcome::Passed { edits, response } => (edits, response),
        Outcome::Answered(response) => panic!("{request:?} was answered with {response:?}"),
    }
}

/// A field as responses hold it.
pub fn field(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

/// The values of all fields of that name.
///
/// # Panics
/// If one is not UTF-8.
pub fn fields<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    let of_that_name = response.headers.iter().filter(|(other, _)| other == name);
    of_that_name.map(|(_, value)| std::str::from_utf8(value).expect("a text")).collect()
}

/// The value of the only field of that name, if there is one.
///
/// # Panics
/// If there are several, or it is not UTF-8.
pub fn only<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let values = fields(response, name);
    assert!(values.len() < 2, "{name} came several times: {values:?}");
    values.first().copied()
}
